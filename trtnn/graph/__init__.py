"""The typed graph between the user's modules and the targets; imports attrs and numpy only."""

from trtnn.graph.dims import DimExpr, Size
from trtnn.graph.graph import Graph, GraphBuilder, Node, Origin, Value, copy_node, rewrite
from trtnn.graph.named_dim import Dim
from trtnn.graph.types import DType, Shape, TensorType, as_dtype, shape_text
from trtnn.graph.verify import verify

__all__ = [
    "DType",
    "Dim",
    "DimExpr",
    "Graph",
    "GraphBuilder",
    "Node",
    "Origin",
    "Shape",
    "Size",
    "TensorType",
    "Value",
    "as_dtype",
    "copy_node",
    "rewrite",
    "shape_text",
    "verify",
]
