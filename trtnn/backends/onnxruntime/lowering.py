"""What ONNX Runtime's engines are made of: the graph with the recurrent layers and custom ops in forms that it has."""

from __future__ import annotations

from trtnn.graph import Graph
from trtnn.graph.graph import contains
from trtnn.graph.ops import Custom
from trtnn.passes.recurrent import lower_recurrent


def lower_for(graph: Graph) -> Graph:
    """The graph with ONNX Runtime's own recurrent layers, and without custom ops but for those that NumPy computes."""
    from trtnn.backends.onnxruntime.recurrent import to_native  # imports onnx, which loaded engines do without

    return lower_recurrent(_without_custom(graph), to_native)


def _without_custom(graph: Graph) -> Graph:
    """The graph without custom ops but for those that only NumPy computes."""
    if not contains(graph, Custom):
        return graph
    from trtnn.backends.onnxruntime.segments import runs_reference
    from trtnn.custom.lowering import lower_custom

    return lower_custom(graph, "onnxruntime", ("decompose", "reference"), runs_reference)
