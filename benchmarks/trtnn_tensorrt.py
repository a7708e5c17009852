"""Our compiler: ResNet-50 from the checkpoint that Keras wrote to a TensorRT-RTX plan, as a user does it.

    python -m benchmarks.resnet50         # once, writes the checkpoint
    python -m benchmarks.trtnn_tensorrt

The network is that of ``examples/resnet50.py`` with a dynamic batch of 1 to 16. It prints the seconds from here to the
plan and those of every phase, the plan's size, and the peak memory as one line of JSON.
"""

from __future__ import annotations

import time

START = time.perf_counter()

from benchmarks.common import FILES, report  # noqa: E402
from examples.resnet50 import ResNet50  # noqa: E402

IMPORTED = time.perf_counter()
CHECKPOINT = FILES / "resnet50.ckpt"


def main() -> None:
    """Load, compile, and print what it took."""
    model = ResNet50(logits=True)
    model.load_weights(CHECKPOINT)
    loaded = time.perf_counter()
    engine = model.compile(target="tensorrt-rtx", dims={"batch": (1, 8, 16)})
    end = time.perf_counter()
    report(
        wall_s=round(end - START, 3),
        import_s=round(IMPORTED - START, 3),
        load_s=round(loaded - IMPORTED, 3),
        compile_s=round(end - loaded, 3),
        plan_mb=round(engine.plan.nbytes / 1e6, 1),
        layers=engine.network.definition.num_layers,
    )


if __name__ == "__main__":
    main()
