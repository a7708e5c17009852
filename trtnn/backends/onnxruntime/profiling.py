"""Time per layer, from a second session that writes ONNX Runtime's own profile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from trtnn.backends.onnxruntime.emit import emit
from trtnn.backends.onnxruntime.engine import OnnxRuntimeEngine
from trtnn.backends.onnxruntime.layers import LayerFinder
from trtnn.backends.onnxruntime.lowering import lower_for
from trtnn.backends.onnxruntime.placement import CPU
from trtnn.backends.onnxruntime.save import disabled_in
from trtnn.backends.onnxruntime.session import make_session, session_options
from trtnn.errors import DeviceError, UnsupportedError
from trtnn.measure.layer import Layer

BETWEEN = Layer("(between layers)", "ONNX Runtime", ("",))
"""What a call takes beside its layers."""
LOOPS = ("Scan", "Loop", "If")
_NODE = "_kernel_time"


def time_layers(engine: OnnxRuntimeEngine, feeds: Mapping[str, np.ndarray], runs: int) -> list[dict[Layer, float]]:
    """Seconds by layer, for each of some calls. Raises UnsupportedError for an engine on a GPU, DeviceError when a call
    fails."""
    if engine.runtime_options.get("device", "cpu") != "cpu":
        raise UnsupportedError(
            "profile",
            problem="ONNX Runtime measures on a GPU how long launching takes, not the layers",
            remedy='compile with device="cpu" or for TensorRT, or use Nsight Systems',
        )
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(engine.session.get_session_options().intra_op_num_threads)
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        session, finder = _profiled(engine, options)
        try:
            for _ in range(runs):
                session.run(None, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise DeviceError(engine.signature.name, problem=f"ONNX Runtime failed: {error}") from error
        finally:
            file = Path(session.end_profiling())
        return parse_profile(json.loads(file.read_text()), finder)


def parse_profile(events: Sequence[Mapping[str, Any]], finder: LayerFinder) -> list[dict[Layer, float]]:
    """Seconds by layer for each call in a profile; they add up to how long the call took."""
    calls = [event for event in events if event["cat"] == "Session" and event["name"] == "model_run"]
    nodes = [event for event in events if event["cat"] == "Node" and event["name"].endswith(_NODE)]
    found = []
    for call in calls:
        times: dict[Layer, float] = {}
        inside = sorted((node for node in nodes if _is_inside(node, call)), key=lambda node: (node["ts"], -node["dur"]))
        for node, microseconds in _own_times(inside):
            layer = finder.find(node["name"].removesuffix(_NODE), node["args"]["op_name"])
            times[layer] = times.get(layer, 0.0) + 1e-6 * microseconds
        times[BETWEEN] = max(1e-6 * call["dur"] - sum(times.values()), 0.0)
        found.append(times)
    return found


def _own_times(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Each node with its microseconds, those of the nodes inside of a loop taken from the loop's."""
    own: list[int] = []
    loops: list[int] = []
    for place, node in enumerate(nodes):
        while loops and not _is_inside(node, nodes[loops[-1]]):
            loops.pop()
        if loops:
            own[loops[-1]] -= node["dur"]
        own.append(node["dur"])
        if node["args"]["op_name"] in LOOPS:
            loops.append(place)
    return [(node, max(microseconds, 0)) for node, microseconds in zip(nodes, own, strict=True)]


def _is_inside(event: Mapping[str, Any], around: Mapping[str, Any]) -> bool:
    inside: bool = around["ts"] <= event["ts"] < around["ts"] + around["dur"]
    return inside


def _profiled(engine: OnnxRuntimeEngine, options: ort.SessionOptions) -> tuple[ort.InferenceSession, LayerFinder]:
    """A session as the engine's with other options, and what knows its nodes."""
    if engine._graph is not None:
        graph = lower_for(engine._graph)
        model = emit(graph)
        return make_session(model, options, [CPU]), LayerFinder(model.proto, graph)
    assert engine._home is not None  # an engine without a graph is one that was loaded
    engine._home.require_unchanged()
    proto = onnx.load(engine._home.path, load_external_data=False)
    session = ort.InferenceSession(
        engine._home.path, options, providers=[CPU], disabled_optimizers=disabled_in(proto), enable_fallback=0
    )
    return session, LayerFinder(proto, modules=_module_paths(engine))


def _module_paths(engine: OnnxRuntimeEngine) -> set[str]:
    """The paths of the modules that a saved engine has; none where its files do not tell."""
    sidecar = engine._sidecar
    module = None if sidecar is None else sidecar.module
    tables = (None if sidecar is None else sidecar.summary, None if module is None else module.summary)
    return {path for table in tables if table is not None for path, *_ in table.rows}
