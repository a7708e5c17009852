"""Constant folding: nodes whose operands are all known are computed here, once.

Reshapes and transposes of weights become views; the one copy that a transposed weight needs is made by whoever reads
it last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from trtnn.graph import Graph, GraphBuilder, Node, Value, rewrite
from trtnn.graph import ops as g

LARGEST_GROWTH = 1 << 16  # bytes that folding may add to a network by stretching a small constant

_SAME_NAME = "exp log sqrt reciprocal sin cos tan sinh cosh floor ceil negative abs sign logical_not".split()  # noqa: SIM905
_UNARY: dict[str, Callable[..., np.ndarray]] = {
    "round": np.rint,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    **{kind: getattr(np, kind) for kind in _SAME_NAME},
}


def fold_constants(graph: Graph) -> Graph:
    """The graph with every computable node replaced by a constant. Values are those of NumPy in the node's own data
    type."""
    return rewrite(graph, _fold)


def _fold(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
    if isinstance(node.op, g.Constant):
        return None
    held = [builder.constant_of(value) for value in inputs]
    data = [one.data for one in held if one is not None and one.data is not None]
    if not inputs or len(data) != len(inputs):
        return None
    with np.errstate(all="ignore"):  # a network may compute inf or NaN; the target does the same
        result = evaluate(node.op, data)
    grown = 0 if result is None else result.nbytes - sum(one.nbytes for one in data)
    if result is None or (isinstance(node.op, g.Broadcast) and grown > LARGEST_GROWTH):
        return None
    folded = g.constant(
        np.asarray(result).astype(node.output.type.dtype.numpy, copy=False), held[0].parameter if held[0] else None
    )
    return builder.add_all(folded, (), node.origin, node.output.name)


@functools.singledispatch
def evaluate(op: g.Op, data: Sequence[np.ndarray]) -> np.ndarray | None:
    """The op's result for known operands; None for ops that are left to the target."""
    return None


@evaluate.register
def _(op: g.Reshape, data: Sequence[np.ndarray]) -> np.ndarray | None:
    sizes = [size for size in op.shape if isinstance(size, int)]
    return data[0].reshape(sizes) if len(sizes) == len(op.shape) else None


@evaluate.register
def _(op: g.Transpose, data: Sequence[np.ndarray]) -> np.ndarray:
    return data[0].transpose(op.permutation)


@evaluate.register
def _(op: g.Cast, data: Sequence[np.ndarray]) -> np.ndarray:
    return data[0].astype(op.dtype.numpy)


@evaluate.register
def _(op: g.Concat, data: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(data, op.axis)


@evaluate.register
def _(op: g.Broadcast, data: Sequence[np.ndarray]) -> np.ndarray | None:
    sizes = [size for size in op.shape if isinstance(size, int)]
    return np.broadcast_to(data[0], sizes) if len(sizes) == len(op.shape) else None


@evaluate.register
def _(op: g.Slice, data: Sequence[np.ndarray]) -> np.ndarray | None:
    index = []
    for start, size, step in zip(op.starts, op.sizes, op.steps, strict=True):
        if not isinstance(start, int) or not isinstance(size, int):
            return None
        stop = start + size * step
        index.append(slice(start, stop if stop >= 0 else None, step))
    return data[0][tuple(index)]


@evaluate.register
def _(op: g.Gather, data: Sequence[np.ndarray]) -> np.ndarray:
    return np.take(data[0], data[1], op.axis)


@evaluate.register
def _(op: g.Unary, data: Sequence[np.ndarray]) -> np.ndarray | None:
    function = _UNARY.get(op.kind)
    return None if function is None else function(data[0])


@evaluate.register
def _(op: g.Binary, data: Sequence[np.ndarray]) -> np.ndarray:
    if op.kind == "floor_divide" and data[0].dtype.kind == "f":
        return np.asarray(np.floor(data[0] / data[1]))  # as TensorFlow: the quotient is rounded first
    result: np.ndarray = getattr(np, op.kind)(*data)
    return result


@evaluate.register
def _(op: g.Select, data: Sequence[np.ndarray]) -> np.ndarray:
    return np.where(*data)


@evaluate.register
def _(op: g.Reduce, data: Sequence[np.ndarray]) -> np.ndarray:
    result: np.ndarray = getattr(np, op.kind)(data[0], axis=op.axes, keepdims=op.keepdims)
    return np.asarray(result)
