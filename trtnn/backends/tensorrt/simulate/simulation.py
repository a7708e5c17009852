"""Running a plan on arrays: checking the inputs, and giving the outputs back by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.simulate import layers as _layers  # noqa: F401  (fills the registry of readers)
from trtnn.backends.tensorrt.simulate.element_types import Array, storage
from trtnn.backends.tensorrt.simulate.network import NetworkView, read_network
from trtnn.backends.tensorrt.simulate.plan import plan
from trtnn.backends.tensorrt.simulate.reading import Evaluator, TensorView
from trtnn.backends.tensorrt.simulate.steps import Block, Observer, Values, matches
from trtnn.errors import InputError


@attrs.frozen(eq=False)
class Simulation:
    """A network read back once, ready to be evaluated many times."""

    network: NetworkView
    block: Block

    @classmethod
    def of(
        cls,
        trt: Any,
        network: Any,
        constants: Mapping[str, Array] | None = None,
        plugins: Mapping[str, Evaluator] | None = None,
    ) -> Simulation:
        """Reads an ``INetworkDefinition`` of the library ``trt``.

        ``constants`` holds contents that TensorRT does not give back (BF16, FP8, INT4), by layer name; ``plugins`` are
        functions of the operands that compute what plugins do, by layer name. The weights are not copied: the network,
        and what its layers were given, must outlive the simulation.

        Raises UnsupportedError for a layer or data type that the simulator does not have, GraphError for a network
        that makes no sense.
        """
        view = read_network(trt, network, constants or {})
        return cls(view, plan(view, plugins))

    def run(self, inputs: Mapping[str, Array], observe: Observer | None = None) -> dict[str, Array]:
        """Evaluates the network; inputs and outputs are by tensor name.

        ``observe(name, array)`` is called with every tensor that is computed, in a loop once per iteration. BF16, FP8
        and INT4 tensors have the data types of ``ml_dtypes``.

        Raises InputError for inputs of the wrong names, data types or shapes and GraphError where the network fails
        on these inputs.
        """
        values = self._checked(inputs)
        with np.errstate(all="ignore"):
            self.block.run(values, observe)
        return {name: values[name] for name in self.network.outputs}

    def _checked(self, inputs: Mapping[str, Array]) -> Values:
        expected = [tensor.name for tensor in self.network.inputs]
        if set(inputs) != set(expected):
            raise InputError("inputs", expected=f"arrays named {expected}", got=str(list(inputs)))
        sizes: dict[str, tuple[int, str]] = {}
        values = {}
        for tensor, names in zip(self.network.inputs, self.network.dimension_names, strict=True):
            array = np.asarray(inputs[tensor.name])
            _check_array(tensor, array)
            for name, size in zip(names, array.shape, strict=True):
                known, where = sizes.setdefault(name, (size, tensor.name)) if name else (size, "")
                if known != size:
                    raise InputError(
                        tensor.name, problem=f"dim {name!r} is {size}", expected=f"{known} as in {where}", got=str(size)
                    )
            values[tensor.name] = array
        return values


def _check_array(tensor: TensorView, array: Array) -> None:
    dtype = storage(tensor.data_type)
    if array.dtype != dtype:
        raise InputError(tensor.name, expected=f"dtype {dtype}", got=str(array.dtype))
    if not matches(array.shape, tensor.shape):
        raise InputError(tensor.name, expected=f"shape {tensor.shape}", got=str(array.shape))


def evaluate(
    trt: Any,
    network: Any,
    inputs: Mapping[str, Array],
    constants: Mapping[str, Array] | None = None,
    observe: Observer | None = None,
) -> dict[str, Array]:
    """Evaluates an ``INetworkDefinition`` in NumPy, once: ``Simulation.of(trt, network, constants).run(inputs)``."""
    return Simulation.of(trt, network, constants).run(inputs, observe)
