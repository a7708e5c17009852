"""A ResNet-50 checkpoint (320 arrays, 102 MB), opened and all of it read: trtnn against TensorFlow's own reader.

    python -m benchmarks.checkpoint

Both verify every checksum. trtnn gives views of the mapped file and TensorFlow copies, so trtnn is timed with copies
too. The file is in the page cache: the disk is not measured.
"""

from __future__ import annotations

import numpy as np

from benchmarks import resnet50
from benchmarks.common import race, write_results
from tests.oracle import tensorflow
from trtnn.weights import Slot, load, open_weights


def main() -> None:
    if not resnet50.CHECKPOINT.with_name(resnet50.CHECKPOINT.name + ".index").exists():
        resnet50.load()
    tf, path = tensorflow(), str(resnet50.CHECKPOINT)
    with open_weights(path) as file:
        wanted = [variable for variable in file.variables if not variable.ignored]
    slots = [Slot(variable.name.replace("/", "."), (variable.name,), variable.shape, "float32") for variable in wanted]
    keys = [key for key in tf.train.load_checkpoint(path).get_variable_to_shape_map() if key.startswith("model/")]
    assert len(keys) == len(slots)

    def with_tensorflow() -> object:
        reader = tf.train.load_checkpoint(path)
        return [reader.get_tensor(key) for key in keys]

    result = race(
        {
            "trtnn": lambda: load(slots, path),
            "trtnn, copied": lambda: [np.array(array) for array in load(slots, path)[0].values()],
            "trtnn, only opened": lambda: open_weights(path),
            "tf.train.load_checkpoint": with_tensorflow,
        },
        title="Reading a ResNet-50 checkpoint",
    )
    print(result)
    write_results("checkpoint", [result])


if __name__ == "__main__":
    main()
