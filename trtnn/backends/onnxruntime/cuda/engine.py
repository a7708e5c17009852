"""An engine that runs on ONNX Runtime's CUDA provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from trtnn.backends.onnxruntime.cuda.lane import Lane
from trtnn.backends.onnxruntime.cuda.runtime import CudaRuntime
from trtnn.backends.onnxruntime.engine import OnnxRuntimeEngine
from trtnn.backends.onnxruntime.placement import (
    FATAL,
    Placement,
    prepare_cuda,
    providers_for,
    require_cuda,
    require_on_cuda,
)
from trtnn.backends.onnxruntime.session import OpenSession, opened, session_options
from trtnn.calling import Ranges
from trtnn.engine import Choice, Signature
from trtnn.errors import BuildError
from trtnn.gpu.device import Device
from trtnn.graph import Graph
from trtnn.recipe import Recipe


class CudaEngine(OnnxRuntimeEngine):
    """A network as an ONNX Runtime session on a GPU. Safe to call from several threads; the calls take turns.

    Takes NumPy arrays and gives NumPy arrays, or takes arrays on the GPU of any library that speaks ``__dlpack__`` and
    gives such, without waiting, and without a copy but on the GPU with ``cuda_graphs``, since a graph has its addresses
    built in. The work is ordered behind ``stream=``, or the current stream of the caller's library, and that stream
    behind the work, by events. Only a network of which ONNX Runtime runs parts on the CPU, such as a loop, waits for
    the stream, and for the result, in the call.

    The first call with a new combination of shapes takes longer: cuDNN's kernels are found then, and with
    ``cuda_graphs`` the graph is captured. Without ``cuda_graphs`` ONNX Runtime finds the kernels of convolutions anew
    whenever the shapes differ from the last call's, which for ResNet-50 on an H200 took 0.28 s.
    """

    def __init__(
        self,
        signature: Signature,
        choice: Choice,
        profiles: Sequence[Ranges],
        check_nan: bool,
        placement: Placement,
        open_session: OpenSession,
        graph: Graph | None = None,
    ) -> None:
        require_cuda()
        assert placement.ordinal is not None  # else it would be an OnnxRuntimeEngine
        device = Device(placement.ordinal)
        prepare_cuda()
        lane = Lane(device)
        choice = attrs.evolve(choice, device=placement.device)
        session, waits = _open(signature.name, choice, placement, open_session, lane)
        self.gpu = placement.ordinal
        super().__init__(signature, choice, profiles, check_nan, session, graph)
        self._placement = placement
        self._runtime = CudaRuntime(session, signature, device, lane, cuda_graphs=placement.cuda_graphs, waits=waits)

    @property
    def runtime_options(self) -> Mapping[str, Any]:
        """Those of `Placement`."""
        return attrs.asdict(self._placement)

    def _refit(self, recipe: Recipe) -> None:
        fresh: Any = recipe.engine(self.choice)
        self._graph, self.session, self._runtime = fresh.graph, fresh.session, fresh._runtime

    def _run(self, feeds: Mapping[str, Any]) -> list[Any]:
        return self._runtime.run(feeds)

    def _run_into(self, feeds: Mapping[str, Any], stream: Any, out: Any) -> list[Any]:
        return self._runtime.run(feeds, stream, out)


def _open(name: str, choice: Choice, placement: Placement, open_session: OpenSession, lane: Lane) -> tuple[Any, bool]:
    """The session, and whether it has streams of its own: ONNX Runtime refuses to run a network on a given stream
    where parts of it run on the CPU, or in the bodies of loops."""
    nhwc = placement.prefer_nhwc
    nhwc = _is_half(choice) if nhwc is None else nhwc

    def session_on(stream: int | None) -> Any:
        providers = providers_for(placement, stream, nhwc, capturable=stream is not None)
        options = session_options(placement.threads)
        options.log_severity_level = FATAL
        options.enable_mem_pattern = False  # the second run with some shapes would allocate anew, by a pattern
        session = opened(name, open_session, options, providers)
        require_on_cuda(session)
        return session

    try:
        return session_on(lane.handle), False
    except BuildError as error:
        if placement.cuda_graphs:
            error.remedy = "compile with cuda_graphs=False"
            raise
    return session_on(None), True


def _is_half(choice: Choice) -> bool:
    return "float16" in choice.precision and "emulated" not in choice.precision
