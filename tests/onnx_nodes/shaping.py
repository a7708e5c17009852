"""Nodes that move elements, reductions and matrix products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from onnx_nodes.reader import Node, NotApplicable, Reader, reads
from trtnn.graph import Value
from trtnn.graph import ops as g

REDUCTIONS = {"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod"}


def axis_of(node: Node, x: Value, default: int) -> int:
    """The node's axis counted from the front."""
    return int(node.get("axis", default)) % max(x.type.rank, 1)


@reads("Reshape")
def _(reader: Reader, node: Node) -> Value:
    x, shape = reader.value(node.inputs[0]), [int(size) for size in reader.static(node, 1)]
    if not node.get("allowzero", 0):
        shape = [x.type.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    known = int(np.prod([size for size in shape if size != -1]))
    total = int(np.prod(x.type.shape))
    return reader.reshape(x, [total // known if size == -1 else size for size in shape])


@reads("Flatten")
def _(reader: Reader, node: Node) -> Value:
    x, axis = reader.value(node.inputs[0]), node.get("axis", 1)
    axis = axis if axis >= 0 else axis + reader.value(node.inputs[0]).type.rank
    return reader.reshape(x, [int(np.prod(x.type.shape[:axis])), int(np.prod(x.type.shape[axis:]))])


@reads("Squeeze")
def _(reader: Reader, node: Node) -> Value:
    x, axes = reader.value(node.inputs[0]), reader.ints(node, 1, "axes")
    gone = {axis % x.type.rank for axis in axes} if axes else {i for i, size in enumerate(x.type.shape) if size == 1}
    return reader.reshape(x, [size for i, size in enumerate(x.type.shape) if i not in gone])


@reads("Unsqueeze")
def _(reader: Reader, node: Node) -> Value:
    x, axes = reader.value(node.inputs[0]), reader.ints(node, 1, "axes") or []
    rank, sizes = x.type.rank + len(axes), iter(x.type.shape)
    places = {axis % rank for axis in axes}
    return reader.reshape(x, [1 if i in places else next(sizes) for i in range(rank)])


@reads("Transpose")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    return reader.add(g.Transpose(tuple(node.get("perm", reversed(range(x.type.rank))))), x)


@reads("Expand")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    shape = np.broadcast_shapes(x.type.shape, tuple(map(int, reader.static(node, 1))))
    wide = reader.reshape(x, (1,) * (len(shape) - x.type.rank) + x.type.shape)
    return reader.add(g.Broadcast(shape), wide)


@reads("Concat")
def _(reader: Reader, node: Node) -> Value:
    operands = reader.operands(node)
    return reader.add(g.Concat(axis_of(node, operands[0], 0)), *operands)


@reads("Slice")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    starts, ends = reader.ints(node, 1, "starts") or [], reader.ints(node, 2, "ends") or []
    axes = reader.ints(node, 3, "axes") or list(range(len(starts)))
    steps = reader.ints(node, 4, "steps") or [1] * len(starts)
    whole = [range(int(size)) for size in x.type.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = len(whole[axis])
        end = None if step < 0 and end < -size else end  # past the front, in Python's terms
        whole[axis] = whole[axis][start:end:step]
    if not all(map(len, whole)):
        raise NotApplicable("an empty tensor")
    picked = zip(*((one.start, len(one), one.step) for one in whole), strict=True)
    return reader.add(g.Slice(*map(tuple, picked)), x)


@reads("Split")
def _(reader: Reader, node: Node) -> Sequence[Value]:
    x = reader.value(node.inputs[0])
    axis = axis_of(node, x, 0)
    total, count = int(x.type.shape[axis]), len(node.outputs)
    each = -(-total // count)
    sizes = reader.ints(node, 1, "split") or [min(each, total - i * each) for i in range(count)]
    if min(sizes) < 1:
        raise NotApplicable("an empty tensor")
    steps = (1,) * x.type.rank
    results = []
    for start, size in zip(itertools.accumulate([0, *sizes]), sizes, strict=False):
        starts = tuple(start if i == axis else 0 for i in range(x.type.rank))
        shape = tuple(size if i == axis else old for i, old in enumerate(x.type.shape))
        results.append(reader.add(g.Slice(starts, shape, steps), x))
    return results


@reads("Pad")
def _(reader: Reader, node: Node) -> Value:
    x, mode = reader.value(node.inputs[0]), node.get("mode", "constant")
    amounts = reader.ints(node, 1, "pads") or []
    axes = [axis % x.type.rank for axis in reader.ints(node, 3, "axes") or range(x.type.rank)]
    if min(amounts) < 0 or mode == "wrap":
        raise NotApplicable(f"Pad {mode} of {min(amounts)}")
    pairs = [(0, 0)] * x.type.rank
    for i, axis in enumerate(axes):
        pairs[axis] = (amounts[i], amounts[len(axes) + i])
    return reader.add(g.Pad(tuple(pairs), mode, float(reader.static(node, 2, 0.0))), x)


@reads("Gather")
def _(reader: Reader, node: Node) -> Value:
    x, axis = reader.value(node.inputs[0]), axis_of(node, reader.value(node.inputs[0]), 0)
    indices = reader.static(node, 1)
    return reader.add(g.Gather(axis), x, reader.constant(indices % int(x.type.shape[axis])))


@reads("DepthToSpace", "SpaceToDepth")
def _(reader: Reader, node: Node) -> Value:
    x, block = reader.value(node.inputs[0]), node.get("blocksize")
    n, c, h, w = map(int, x.type.shape)
    if node.kind == "SpaceToDepth":
        split = (n, c, h // block, block, w // block, block)
        order = (0, 3, 5, 1, 2, 4) if node.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
        shape = (n, c * block * block, h // block, w // block)
    elif node.get("mode", "DCR") == "DCR":
        split, order = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
        shape = (n, c // block**2, h * block, w * block)
    else:
        split, order = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
        shape = (n, c // block**2, h * block, w * block)
    return reader.reshape(reader.add(g.Transpose(order), reader.reshape(x, split)), shape)


@reads("Tile")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    for axis, count in enumerate(reader.static(node, 1)):
        if count > 1:
            x = reader.add(g.Concat(axis), *[x] * int(count))
    return x


@reads(*REDUCTIONS, "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    axes = reader.ints(node, 1, "axes")
    if not axes and node.get("noop_with_empty_axes", 0):
        raise NotApplicable(f"{node.kind} over no axes")
    places = tuple(sorted(axis % x.type.rank for axis in axes or range(x.type.rank)))
    keepdims = bool(node.get("keepdims", 1))
    if node.kind in REDUCTIONS:
        return reader.add(g.Reduce(REDUCTIONS[node.kind], places, keepdims), x)
    if node.kind == "ReduceL1":
        x = reader.add(g.Unary("abs"), x)
    elif node.kind != "ReduceLogSum":
        x = reader.binary("multiply", x, x)
    total = reader.add(g.Reduce("sum", places, keepdims), x)
    after = {"ReduceL2": "sqrt", "ReduceLogSum": "log"}.get(node.kind)
    return reader.add(g.Unary(after), total) if after else total


@reads("ArgMax", "ArgMin")
def _(reader: Reader, node: Node) -> Value:
    node.require(select_last_index=0)
    x = reader.value(node.inputs[0])
    axis = axis_of(node, x, 0)
    searched = x if node.kind == "ArgMax" else reader.add(g.Unary("negative"), x)
    found = reader.add(g.ArgMax(axis), searched)
    kept = [1 if i == axis else size for i, size in enumerate(x.type.shape)]
    return reader.reshape(found, kept) if node.get("keepdims", 1) else found


@reads("CumSum")
def _(reader: Reader, node: Node) -> Value:
    x, axis = reader.value(node.inputs[0]), int(reader.static(node, 1))
    op = g.CumSum(axis % x.type.rank, bool(node.get("exclusive", 0)), bool(node.get("reverse", 0)))
    return reader.add(op, x)


@reads("TopK")
def _(reader: Reader, node: Node) -> Sequence[Value]:
    x, count = reader.value(node.inputs[0]), int(np.asarray(reader.static(node, 1)).item())
    op = g.TopK(count, axis_of(node, x, -1), bool(node.get("largest", 1)))
    return reader.builder.add_all(op, [x])


@reads("MatMul")
def _(reader: Reader, node: Node) -> Value:
    x, y = reader.operands(node)
    row, column = x.type.rank == 1, y.type.rank == 1
    x = reader.reshape(x, (1, *x.type.shape)) if row else x
    y = reader.reshape(y, (*y.type.shape, 1)) if column else y
    result = reader.add(g.MatMul(), *([x, y] if y.type.rank == 2 else reader.aligned([x, y])))
    *front, rows, columns = result.type.shape
    return reader.reshape(result, [*front, *([] if row else [rows]), *([] if column else [columns])])


@reads("Gemm")
def _(reader: Reader, node: Node) -> Value:
    x, y = reader.value(node.inputs[0]), reader.value(node.inputs[1])
    x = reader.add(g.Transpose((1, 0)), x) if node.get("transA", 0) else x
    result = reader.add(g.MatMul(bool(node.get("transB", 0))), x, y)
    result = reader.binary("multiply", result, reader.like(result, node.get("alpha", 1.0)))
    if not node.has(2):
        return result
    bias = reader.value(node.inputs[2])
    return reader.binary("add", result, reader.binary("multiply", bias, reader.like(bias, node.get("beta", 1.0))))
