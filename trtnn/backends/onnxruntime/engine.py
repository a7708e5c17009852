"""An engine that runs on ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from trtnn.backends.onnxruntime.binding import Ports, ports_of
from trtnn.backends.onnxruntime.lowering import lower_for
from trtnn.backends.onnxruntime.placement import CPU, Placement
from trtnn.backends.onnxruntime.session import OpenSession, make_session, opened, session_options
from trtnn.calling import Ranges
from trtnn.engine import Choice, Engine, Signature
from trtnn.errors import ArgumentError, DeviceError, DimError, UnsupportedError
from trtnn.graph import Graph
from trtnn.graph.extents import too_small
from trtnn.graph.graph import contains
from trtnn.graph.ops import Custom
from trtnn.outputs import OutputShapes, host_outputs
from trtnn.recipe import Recipe

if TYPE_CHECKING:
    from trtnn.backends.onnxruntime.model import OnnxModel
    from trtnn.measure.layer import Layer


class OnnxRuntimeEngine(Engine):
    """A network as an ONNX Runtime session on the CPU. Safe to call from several threads."""

    def __init__(
        self,
        signature: Signature,
        choice: Choice,
        profiles: Sequence[Ranges],
        check_nan: bool,
        session: ort.InferenceSession,
        graph: Graph | None = None,
    ) -> None:
        super().__init__(signature, choice, profiles, check_nan, graph)
        self.session = session
        self._ports = Ports.of(session, signature, ("cpu", 0))  # a refit changes none of them
        self._names = list(self._ports.outputs)
        self._shapes = OutputShapes(signature, "call without out=")

    @property
    def runtime_options(self) -> Mapping[str, Any]:
        """``threads``, 0 for one per core."""
        return {"threads": self.session.get_session_options().intra_op_num_threads}

    def _refit(self, recipe: Recipe) -> None:
        fresh: Any = recipe.engine(self.choice)
        self._graph, self.session = fresh.graph, fresh.session

    def _run(self, feeds: Mapping[str, Any]) -> list[Any]:
        try:
            results: list[np.ndarray] = self.session.run(self._names, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise self._too_small(feeds) or self._failed(error) from error
        return results

    def _run_into(self, feeds: Mapping[str, Any], stream: Any, out: Any) -> list[Any]:
        """Writes into the caller's NumPy arrays, without a copy."""
        if stream is not None:
            raise ArgumentError("stream", problem="this engine runs on the CPU", remedy='compile with device="cuda"')
        arrays = list(feeds.values())
        shapes = self._shapes.find(tuple([array.shape for array in arrays]))
        outputs = host_outputs(self.signature, out, shapes, feeds)
        session = self.session  # a refit may put another in its place
        try:
            session.run_with_iobinding(self._ports.bind(session, ports_of(arrays), ports_of(outputs)))
        except Exception as error:  # likewise
            raise self._too_small(feeds) or self._failed(error) from error
        return outputs

    def _time_layers(self, feeds: Mapping[str, Any], runs: int) -> list[dict[Layer, float]]:
        from trtnn.backends.onnxruntime.profiling import time_layers  # not paid for by those who only call

        return time_layers(self, feeds, runs)

    def _too_small(self, feeds: Mapping[str, Any]) -> DimError | None:
        """The reason in the user's terms, where it is that an operation gets too little."""
        if self._graph is None:
            return None
        shapes = ((type.shape, feeds[name].shape) for name, type in self.inputs.items())
        sizes = {str(dim): size for shape, found in shapes for dim, size in zip(shape, found, strict=True)}
        return too_small(self._graph, sizes, least=1)

    def _failed(self, error: Exception) -> DeviceError:
        return DeviceError(self.signature.name, problem=f"ONNX Runtime failed: {error}")


def build(
    graph: Graph,
    choice: Choice,
    profiles: Sequence[Ranges],
    *,
    check_nan: bool = True,
    threads: int = 0,
    device: str = "cpu",
    cuda_graphs: bool = False,
    prefer_nhwc: bool | None = None,
    tf32: bool = False,
) -> Engine:
    """An engine for a lowered graph; the options from ``threads`` on are those of `Placement`.

    Raises ArgumentError, UnsupportedError or BuildError, and for CUDA LibraryError or DeviceError.
    """
    from trtnn.backends.onnxruntime.emit import emit  # onnx takes a while, and loaded engines do without

    placement = Placement(device, threads, cuda_graphs, prefer_nhwc, tf32)
    if placement.ordinal is not None:
        from trtnn.backends.onnxruntime.cuda.convolutions import for_cuda  # what a CPU does without

        graph = for_cuda(graph)
    lowered = lower_for(graph)
    if contains(lowered, Custom):
        return _build_segmented(graph, lowered, choice, profiles, check_nan, placement)
    model = emit(lowered)
    return engine_of(
        Signature.of(graph), choice, profiles, check_nan, placement, functools.partial(make_session, model), graph
    )


def engine_of(
    signature: Signature,
    choice: Choice,
    profiles: Sequence[Ranges],
    check_nan: bool,
    placement: Placement,
    open_session: OpenSession,
    graph: Graph | None = None,
) -> OnnxRuntimeEngine:
    """The engine of the sessions that ``open_session(options, providers)`` makes. Raises BuildError when ONNX Runtime
    refuses the model, and for CUDA LibraryError or DeviceError."""
    if placement.ordinal is not None:
        from trtnn.backends.onnxruntime.cuda.engine import CudaEngine  # imports what a CPU does without

        return CudaEngine(signature, choice, profiles, check_nan, placement, open_session, graph)
    session = opened(signature.name, open_session, session_options(placement.threads), [CPU])
    return OnnxRuntimeEngine(signature, choice, profiles, check_nan, session, graph)


def _build_segmented(
    graph: Graph, lowered: Graph, choice: Choice, profiles: Sequence[Ranges], check_nan: bool, placement: Placement
) -> Engine:
    from trtnn.backends.onnxruntime.segmented import build_segmented  # imports what other networks do without

    if placement.ordinal is not None:
        raise UnsupportedError(
            graph.name,
            problem="has custom ops that only NumPy computes, which an engine on the GPU cannot call",
            remedy='give the ops a decompose form, or compile with device="cpu"',
        )

    def session_of(model: OnnxModel) -> ort.InferenceSession:
        options = session_options(placement.threads)
        return opened(graph.name, functools.partial(make_session, model), options, [CPU])

    return build_segmented(graph, lowered, choice, profiles, check_nan, session_of)
