"""BatchNorm folding: per-channel scales and shifts move into the weights of the convolution or matrix product beside
them.

A BatchNorm is ``x * scale + shift`` per channel. Backwards it goes through operations that commute with that (average
pooling, a maximum when the scale is positive, transposes, additions of one number per channel) into the weights that
made x, when nothing else uses what lies between. Forwards it goes into a convolution without padding, where it is
exact, or with padding when there is no shift: a padded zero must stay zero. Scales are computed in float64 and
rounded once.
"""

from __future__ import annotations

import attrs
import numpy as np

from trtnn.graph import Graph, GraphBuilder, Node, Value
from trtnn.graph import ops as g
from trtnn.graph.dims import Size
from trtnn.graph.graph import copy_node
from trtnn.graph.windows import resolve

_BLOCK = 64  # rows of a weight that are scaled at a time
ARITHMETIC = ("add", "subtract", "multiply", "divide")


@attrs.frozen(eq=False)
class Affine:
    """``x * scale + shift`` along one axis; both float64 of shape (C,)."""

    scale: np.ndarray
    shift: np.ndarray
    axis: int

    def after(self, inner: Affine) -> Affine:
        """This applied to the result of another one along the same axis."""
        return Affine(self.scale * inner.scale, self.scale * inner.shift + self.shift, self.axis)


def fold_batchnorm(graph: Graph) -> Graph:
    """The graph with every BatchNorm of known statistics folded where that is exact; the old nodes are left dead."""
    return _Folder(graph).run()


class _Folder:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._builder = GraphBuilder(graph.name, graph.dims)
        self._uses: dict[
            Value, int
        ] = {}  # of values of the new graph, by the nodes of the old one that are still to come

    def run(self) -> Graph:
        graph, builder = self._graph, self._builder
        moved = {value: builder.input(value.name, value.type) for value in graph.inputs}
        counts = {value: len(nodes) for value, nodes in graph.consumers().items()}
        for value in graph.output_values():
            counts[value] += 1
        self._uses.update((moved[value], counts[value]) for value in graph.inputs)
        for node in graph.nodes:
            results = self._place(node, tuple(moved[value] for value in node.inputs))
            for old, new in zip(node.outputs, results, strict=True):
                moved[old] = new
                self._uses[new] = counts[old]
        return builder.finish([(name, moved[value]) for name, value in graph.outputs], graph.returns)

    def _place(self, node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        folded: Value | None = None
        if isinstance(node.op, g.BatchNorm):
            affine = self._affine_of(node.op, inputs)
            folded = None if affine is None else self._push_back(inputs[0], affine)
        elif isinstance(node.op, g.Conv):
            folded = self._absorb(node, inputs)
        elif isinstance(node.op, g.MatMul):
            folded = self._absorb_matmul(node, inputs)
        elif isinstance(node.op, g.Binary) and node.op.kind in ARITHMETIC:
            folded = self._into_convolution(node, inputs)
        return (folded,) if folded is not None else copy_node(node, inputs, self._builder)

    # Backwards: into what made the value.

    def _push_back(self, value: Value, affine: Affine) -> Value | None:
        """A value equal to ``value * scale + shift``, made by changing weights upstream; None when that is not exact
        or not worth it."""
        node = self._builder.producer(value)
        if node is None or self._uses.get(value, 1) != 1:
            return None
        op = node.op
        if isinstance(op, (g.Conv, g.ConvTranspose)) and affine.axis == (
            1 if op.channels_first else value.type.rank - 1
        ):
            return self._scale_conv(node, affine)
        if isinstance(op, g.MatMul) and affine.axis == value.type.rank - 1:
            return self._scale_matmul(node, affine)
        if isinstance(op, g.Binary) and op.kind == "add":
            return self._through_bias(node, affine)
        if isinstance(op, g.Pool) and (op.kind == "average" or (affine.scale > 0).all()):
            return self._through(node, affine)
        if isinstance(op, g.Transpose):
            return self._through(node, attrs.evolve(affine, axis=op.permutation[affine.axis]))
        return None

    def _into_convolution(self, node: Node, inputs: tuple[Value, ...]) -> Value | None:
        """One number per channel added to a convolution's result or multiplied with it: a bias, a layer's scale."""
        for value in inputs:
            made = self._builder.producer(value)
            if made is not None and isinstance(made.op, (g.Conv, g.ConvTranspose)):
                axis = 1 if made.op.channels_first else value.type.rank - 1
                found = self._arithmetic(attrs.evolve(node, inputs=inputs), axis)
                if found is not None and found[0] is value:
                    return self._push_back(value, found[1])
        return None

    def _through(self, node: Node, affine: Affine) -> Value | None:
        source = self._push_back(node.inputs[0], affine)
        return source and self._builder.add(node.op, [source], node.origin, node.output.name)

    def _through_bias(self, node: Node, affine: Affine) -> Value | None:
        for value, other in (node.inputs, node.inputs[::-1]):
            bias = self._per_channel(other, affine.axis, affine.scale.size)
            if bias is not None and value.type.shape == node.output.type.shape:
                return self._push_back(value, affine.after(Affine(np.ones_like(bias), bias, affine.axis)))
        return None

    def _scale_conv(self, node: Node, affine: Affine) -> Value | None:
        op, kernel = node.op, self._data(node.inputs[1])
        assert isinstance(op, (g.Conv, g.ConvTranspose))
        bias = np.float64(0) if len(node.inputs) < 3 else self._data(node.inputs[2])
        if kernel is None or bias is None:
            return None
        axes = (0, -1) if isinstance(op, g.Conv) else (1, -2)  # of the output channels: channels first, channels last
        others = [axis for axis in range(kernel.ndim) if axis != axes[0 if op.channels_first else 1] % kernel.ndim]
        weights = [
            _scaled(kernel, np.expand_dims(affine.scale, others)),
            (bias * affine.scale + affine.shift).astype(kernel.dtype),
        ]
        return self._rebuild(node, node.inputs[0], node.inputs[1:], weights)

    def _scale_matmul(self, node: Node, affine: Affine) -> Value | None:
        op, y = node.op, self._data(node.inputs[1])
        assert isinstance(op, g.MatMul)
        if y is None or y.ndim != 2:
            return None
        scaled = _scaled(y, affine.scale[:, None] if op.transpose_y else affine.scale)
        product = self._rebuild(node, node.inputs[0], node.inputs[1:], [scaled])
        return self._add_shift(product, affine.shift, node)

    # Forwards: into what uses the value.

    def _absorb(self, node: Node, inputs: tuple[Value, ...]) -> Value | None:
        op, kernel = node.op, self._data(inputs[1])
        assert isinstance(op, g.Conv)
        channel_axis = 1 if op.channels_first else inputs[0].type.rank - 1
        found = self._peel(inputs[0], channel_axis)
        bias = np.float64(0) if len(inputs) < 3 else self._data(inputs[2])
        if found is None or kernel is None or bias is None:
            return None
        source, affine = found
        if affine.shift.any() and not _is_unpadded(op, inputs[0], kernel.shape):
            return None
        if op.channels_first:
            scaled, contribution = _absorbed(kernel, affine, op.groups)
        else:
            forward = (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
            scaled, contribution = _absorbed(kernel.transpose(forward), affine, op.groups)
            scaled = scaled.transpose(np.argsort(forward))
        return self._rebuild(node, source, inputs[1:], [scaled, (bias + contribution).astype(kernel.dtype)])

    def _absorb_matmul(self, node: Node, inputs: tuple[Value, ...]) -> Value | None:
        op, y = node.op, self._data(inputs[1])
        assert isinstance(op, g.MatMul)
        found = self._peel(inputs[0], inputs[0].type.rank - 1)
        if found is None or y is None or y.ndim != 2:
            return None
        source, affine = found
        matrix = y.T if op.transpose_y else y
        scaled = _scaled(matrix, affine.scale[:, None])
        product = self._rebuild(node, source, inputs[1:], [scaled.T if op.transpose_y else scaled])
        return self._add_shift(product, affine.shift @ matrix.astype(np.float64), node)

    def _peel(self, value: Value, axis: int) -> tuple[Value, Affine] | None:
        """(source, affine) such that the value is the affine of the source along the axis; None when it is none."""
        node = self._builder.producer(value)
        if node is None:
            return None
        if isinstance(node.op, g.BatchNorm) and node.op.axis == axis:
            affine = self._affine_of(node.op, node.inputs)
            return None if affine is None else self._peel_further(node.inputs[0], affine)
        if isinstance(node.op, g.Binary) and node.op.kind in ARITHMETIC:
            found = self._arithmetic(node, axis)
            return found and self._peel_further(*found)
        return None

    def _peel_further(self, value: Value, affine: Affine) -> tuple[Value, Affine]:
        inner = self._peel(value, affine.axis)
        return (value, affine) if inner is None else (inner[0], affine.after(inner[1]))

    def _arithmetic(self, node: Node, axis: int) -> tuple[Value, Affine] | None:
        """(operand, affine) of ``x + c``, ``c + x``, ``x - c``, ``x * c``, ``c * x`` or ``x / c`` with one number per
        channel."""
        assert isinstance(node.op, g.Binary)
        channels = node.output.type.shape[axis]
        swaps = node.op.kind in ("add", "multiply")
        for value, other in (node.inputs, node.inputs[::-1]) if swaps else (node.inputs,):
            number = self._per_channel(other, axis, channels)
            if number is None or value.type.shape != node.output.type.shape:
                continue
            one, zero = np.ones_like(number), np.zeros_like(number)
            pairs = {"add": (one, number), "subtract": (one, -number), "multiply": (number, zero)}
            if node.op.kind == "divide":
                if not number.all():
                    return None
                pairs["divide"] = (1 / number, zero)
            return value, Affine(*pairs[node.op.kind], axis)
        return None

    # What both need.

    def _affine_of(self, op: g.BatchNorm, inputs: tuple[Value, ...]) -> Affine | None:
        known = [self._data(value) for value in inputs[1:]]
        if any(one is None for one in known):
            return None
        gamma, beta, mean, variance = (np.asarray(one, np.float64) for one in known)
        scale = gamma / np.sqrt(variance + op.epsilon)
        return Affine(scale, beta - mean * scale, op.axis)

    def _data(self, value: Value) -> np.ndarray | None:
        held = self._builder.constant_of(value)
        return None if held is None else held.data

    def _per_channel(self, value: Value, axis: int, channels: Size) -> np.ndarray | None:
        """The (C,) float64 numbers of a constant that varies along one axis at the most."""
        data = self._data(value)
        if (
            data is None
            or data.dtype.kind != "f"
            or data.size not in (1, data.shape[axis])
            or not isinstance(channels, int)
        ):
            return None
        return np.broadcast_to(data.reshape(-1).astype(np.float64), (channels,))

    def _rebuild(self, node: Node, source: Value, old: tuple[Value, ...], weights: list[np.ndarray]) -> Value:
        """The node on another operand with new weights in place of the old ones, whose names they keep."""
        names = [value.name for value in old] + [f"{node.output.name}.bias"]
        held = [self._builder.constant_of(value) for value in old]
        paths = [one.parameter if one else None for one in held] + [None]
        constants = [
            self._builder.add(g.constant(array, path), (), node.origin, name)
            for array, path, name in zip(weights, paths, names, strict=False)
        ]
        return self._builder.add(node.op, [source, *constants], node.origin, node.output.name)

    def _add_shift(self, value: Value, shift: np.ndarray, node: Node) -> Value:
        if not shift.any():
            return value
        row = shift.astype(value.type.dtype.numpy).reshape((1,) * (value.type.rank - 1) + (-1,))
        held = self._builder.add(g.constant(row), (), node.origin, f"{node.output.name}.shift")
        return self._builder.add(g.Binary("add"), [value, held], node.origin)


def _scaled(weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A new C-contiguous array of the weights' own data type: the one copy a folded weight costs.

    Block by block, so that a transposed kernel is read in the order it lies in memory and changes its axes in the
    cache. Two threads were no faster at this on two cores.
    """
    scales = np.broadcast_to(scale.astype(weights.dtype), weights.shape)
    out = np.empty(weights.shape, weights.dtype)
    scratch = np.empty_like(weights[:_BLOCK])  # in the memory order of the weights
    for first in range(0, len(weights), _BLOCK):
        block = slice(first, first + _BLOCK)
        scaled = scratch[: len(weights[block])]
        np.multiply(weights[block], scales[block], out=scaled)
        out[block] = scaled
    return out


def _absorbed(kernel: np.ndarray, affine: Affine, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """An OI... kernel that takes x where it took ``x * scale + shift``, and what the shift adds to each output
    channel."""
    out, per_group = kernel.shape[:2]
    of_group = np.arange(out) // (out // groups)
    inputs = of_group[:, None] * per_group + np.arange(
        per_group
    )  # (out, per_group): the input channel of every kernel plane
    planes = kernel.reshape(out, per_group, -1).sum(-1, dtype=np.float64)
    contribution = (planes * affine.shift[inputs]).sum(1)
    return _scaled(kernel, affine.scale[inputs].reshape(out, per_group, *(1,) * (kernel.ndim - 2))), contribution


def _is_unpadded(op: g.Conv, x: Value, kernel: tuple[int, ...]) -> bool:
    spatial = x.type.shape[2:] if op.channels_first else x.type.shape[1:-1]
    window = kernel[2:] if op.channels_first else kernel[:-2]
    pairs = resolve(op.padding, spatial, window, op.strides, op.dilations)
    return pairs is not None and not any(amount for pair in pairs for amount in pair)
