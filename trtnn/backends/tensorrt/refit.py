"""Refit: other weights in a plan.

A refittable plan has its weights under the names that `name_weights` gave them in the network: the layer's name and
what it calls them. New TensorFlow weights go the whole way of a compilation up to the network, so that folded
BatchNorms, layouts, casts and quantization come out as they did then, and the network's weights go into the plan.

Whole numbers are kept: they are sizes and indices, which TensorRT does not let go of where it computes shapes from
them. A digest of them tells whether new weights would change one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from trtnn.backends.tensorrt.emit import Network
from trtnn.backends.tensorrt.emit.emitter import LayerWeights
from trtnn.backends.tensorrt.errors import logger_of, readable, recorder_of
from trtnn.backends.tensorrt.library import Library, load
from trtnn.backends.tensorrt.runtime.starting import deserialize
from trtnn.errors import BuildError, DeviceError, UnsupportedError
from trtnn.graph import Graph

if TYPE_CHECKING:
    from trtnn.backends.tensorrt.engine import TensorRTEngine
    from trtnn.recipe import Recipe


_KEPT = (np.dtype("int32"), np.dtype("int64"), np.dtype("bool"))


def name_weights(network: Network) -> None:
    """Gives the weights of a network the names that a refit finds them by, and lets go of them. Raises BuildError."""
    for name, weights in _distinct(network).items():
        definition = network.definition
        if not (definition.set_weights_name(weights.given, name) and definition.mark_weights_refittable(name)):
            said = "; ".join(map(readable, network.recorder.take()))
            raise BuildError(
                name, problem=f"TensorRT cannot make these weights refittable: {said or 'no reason given'}"
            )


def digest_of_kept(network: Network) -> str:
    """The SHA-256 of the weights that a refit leaves as they are."""
    digest = hashlib.sha256()
    for name, weights in network.weights.items():
        if weights.array.dtype in _KEPT:
            digest.update(f"{name} {weights.array.dtype} {weights.array.shape}\n".encode())
            digest.update(weights.array.tobytes())
    return digest.hexdigest()


def refitted(engine: TensorRTEngine, recipe: Recipe) -> tuple[Graph, Network, memoryview]:
    """The graph, the network and the plan that the recipe's weights give. Leaves the engine as it is.

    Raises UnsupportedError for a plan that cannot be refitted or not with these weights, DeviceError without a GPU,
    and the errors of lowering and emitting.
    """
    from trtnn.backends.tensorrt.build import network_of  # which imports this

    if engine.kept_weights is None:
        raise _not_refittable(engine.signature.name)
    library = load(engine.target)
    graph, _ = recipe.lowered(engine.choice)
    network = network_of(graph, library)
    if digest_of_kept(network) != engine.kept_weights:
        raise UnsupportedError(
            engine.signature.name,
            problem="the new weights change whole numbers in the network, which the plan keeps",
            remedy="compile the module with the new weights",
        )
    return graph, network, refit_plan(engine.plan, network, library)


def refit_plan(plan: memoryview, network: Network, library: Library) -> memoryview:
    """A copy of a refittable plan with the weights of a network. Raises UnsupportedError for a plan that is not
    refittable, and DeviceError with what TensorRT said."""
    cuda_engine = deserialize(plan, library, network.graph.name)
    if not cuda_engine.refittable:
        raise _not_refittable(network.graph.name)
    recorder = recorder_of(library.trt)
    refitter = library.trt.Refitter(cuda_engine, logger_of(library.trt))
    refitter.error_recorder = recorder
    held = set(refitter.get_all_weights())
    for name, weights in _distinct(network).items():
        if name not in held:
            raise _failed(network, f"the plan has no weights {name}", recorder)
        if not refitter.set_named_weights(name, weights.given):
            raise _failed(network, f"TensorRT does not take the weights {name}", recorder)
    missing = refitter.get_missing_weights()
    if missing:
        raise _failed(network, f"the plan needs further weights: {', '.join(missing[:8])}", recorder)
    if not refitter.refit_cuda_engine():
        raise _failed(network, "TensorRT cannot refit the plan", recorder)
    return memoryview(cuda_engine.serialize())


def _distinct(network: Network) -> dict[str, LayerWeights]:
    """The weights by name, each once: TensorRT knows weights by their address, so shared ones have one name."""
    first: dict[int, str] = {}
    for name, weights in network.weights.items():
        if weights.array.size and weights.array.dtype not in _KEPT:
            first.setdefault(weights.address, name)
    return {name: network.weights[name] for name in first.values()}


def _not_refittable(name: str) -> UnsupportedError:
    return UnsupportedError(
        name, problem="its plan was not built to be refitted", remedy="compile it with refittable=True"
    )


def _failed(network: Network, problem: str, recorder: Any) -> DeviceError:
    said = "; ".join(dict.fromkeys(map(readable, recorder.take())))
    return DeviceError(
        network.graph.name,
        problem=f"{problem}: {said}" if said else problem,
        remedy="compile the module with the new weights",
    )
