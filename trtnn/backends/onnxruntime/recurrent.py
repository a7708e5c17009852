"""Recurrent operations as ONNX's own LSTM, GRU and RNN, which ONNX Runtime runs much faster than a loop.

`to_native` replaces those that the native operations compute exactly; a forward and a backward one on the same x become
one bidirectional operation. The others stay, to be decomposed into loops: those with a mask, a projection, a clip
(ONNX's bounds what goes into the activations), or an activation or data type that ONNX Runtime lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from trtnn import functional as F
from trtnn.backends.onnxruntime.emit import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.functional.recurrent import sequence_mask, zeros
from trtnn.graph import DType, Graph, GraphBuilder, Node, TensorType, Value, copy_node
from trtnn.graph import ops as g
from trtnn.graph.graph import map_bodies
from trtnn.graph.ops.recurrent import Recurrent
from trtnn.tensor import Tensor
from trtnn.trace import Tracer

ACTIVATIONS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softsign": "Softsign"}
"""ONNX Runtime 1.32 also takes Softplus, Affine and ScaledTanh here, and computes NaN or zeros for them."""
HARD_SIGMOIDS = {"hard_sigmoid": (1 / 6, 0.5), "hard_sigmoid_keras2": (0.2, 0.5)}
GATES = {g.LSTM: (0, 3, 1, 2), g.GRU: (0, 1, 2), g.SimpleRNN: (0,)}
"""Where ONNX's gates (i, o, f, c; z, r, h) stand in ours (i, f, c, o; z, r, h)."""
PEEPHOLES = (0, 2, 1)
"""Where ONNX's peepholes (i, o, f) stand in ours (i, f, o)."""
KINDS = {g.LSTM: "LSTM", g.GRU: "GRU", g.SimpleRNN: "RNN"}
OPTIONAL = ("B", "sequence_lens", "initial_h", "initial_c", "P")


@attrs.frozen(eq=False)
class OnnxRecurrent(g.Op):
    """ONNX's LSTM, GRU or RNN with D directions: X (T, B, I), W (D, n*H, I), R (D, n*H, H), then those of `OPTIONAL`
    that ``extras`` names. Results: Y (T, D, B, H), Y_h (D, B, H) and, for an LSTM, Y_c (D, B, H).
    """

    kind: str
    direction: str
    activations: tuple[str, ...]
    extras: tuple[str, ...]
    alpha: tuple[float, ...] = ()
    beta: tuple[float, ...] = ()
    linear_before_reset: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """The results' types; the operation that this one stands for has checked the operands."""
        x, _, recurrent = inputs[:3]
        directions, _, units = recurrent.shape
        state = TensorType(x.dtype, (directions, x.shape[1], units))
        whole = TensorType(x.dtype, (x.shape[0], *state.shape))
        return (whole, state, state) if self.kind == "LSTM" else (whole, state)


@emit_op.register
def _(op: OnnxRecurrent, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    given = dict(zip(op.extras, inputs[3:], strict=True))
    options: dict[str, Any] = {"direction": op.direction, "activations": op.activations}
    if op.alpha:
        options |= {"activation_alpha": op.alpha, "activation_beta": op.beta}
    if op.linear_before_reset:
        options["linear_before_reset"] = 1
    _, _, units = node.inputs[2].type.shape
    operands = [*inputs[:3], *(given.get(name, "") for name in OPTIONAL[: 5 if op.kind == "LSTM" else 3])]
    model.nodes(op.kind, operands, [value.name for value in node.outputs], hidden_size=units, **options)


def to_native(graph: Graph) -> Graph:
    """The graph with the recurrent operations that ONNX Runtime has as `OnnxRecurrent`, both directions in one."""
    return _to_native(map_bodies(graph, _to_native))


def _to_native(graph: Graph) -> Graph:
    constants = tuple(node for node in graph.nodes if isinstance(node.op, g.Constant))
    others = tuple(node for node in graph.nodes if not isinstance(node.op, g.Constant))
    graph = attrs.evolve(graph, nodes=constants + others)  # so that the weights of a pair stand before both of it
    pairs = _pairs(graph)
    second = set(pairs.values())
    builder = GraphBuilder(graph.name, graph.dims)
    moved = {value: builder.input(value.name, value.type) for value in graph.inputs}
    joined: dict[tuple[Value, ...], Value] = {}
    for node in graph.nodes:
        operands = tuple(moved[value] for value in node.inputs)
        if isinstance(node.op, g.Concat) and node.op.axis == 2 and operands in joined:
            moved[node.output] = joined[operands]
        elif _is_native(node) and node not in second:
            group = sorted([node, *([pairs[node]] if node in pairs else [])], key=_is_reverse)
            results, both = _replace(group, moved, Tracer(builder, origin=node.origin))
            for one, tensors in zip(group, results, strict=True):
                moved.update(zip(one.outputs, (tensor.value for tensor in tensors), strict=True))
            joined[tuple(tensors[0].value for tensors in results)] = both.value
        elif node not in second:
            moved.update(zip(node.outputs, copy_node(node, operands, builder), strict=True))
    return builder.finish([(name, moved[value]) for name, value in graph.outputs], graph.returns)


def _is_native(node: Node) -> bool:
    """Whether ONNX Runtime computes just this."""
    op = node.op
    if not isinstance(op, Recurrent) or node.inputs[0].type.dtype is not DType.float32:
        return False
    clipped = isinstance(op, g.LSTM) and op.cell_clip is not None
    known = all(name in ACTIVATIONS or name in HARD_SIGMOIDS for name in _activations(op))
    return known and not clipped and not {"mask", "projection"} & set(op.extras)


def _pairs(graph: Graph) -> dict[Node, Node]:
    """The native operations that a later one goes with: the same but for the direction and the weights.

    The later one's operands must be there when the first one runs.
    """
    made = {value: place for place, node in enumerate(graph.nodes) for value in node.outputs}
    native = [(place, node) for place, node in enumerate(graph.nodes) if _is_native(node)]
    pairs: dict[Node, Node] = {}
    for number, (place, node) in enumerate(native):
        for _, other in native[number + 1 :]:
            taken = {node, other} & {*pairs, *pairs.values()}
            ready = all(made.get(value, -1) < place for value in other.inputs)
            if not taken and ready and _key(node, False) == _key(other, True):
                pairs[node] = other
    return pairs


def _key(node: Node, turned: bool) -> tuple[object, ...]:
    """What two directions of one layer have in common; ``turned`` counts the other direction as this one."""
    fields = {field.name: getattr(node.op, field.name) for field in attrs.fields(type(node.op))}
    named = node.op.named(node.inputs)  # type: ignore[attr-defined]
    shapes = tuple(value.type.shape for value in node.inputs)
    direction = fields.pop("reverse") != turned
    return type(node.op), direction, tuple(fields.items()), shapes, named["x"], named.get("lengths")


def _replace(
    group: Sequence[Node], moved: Mapping[Value, Value], tracer: Tracer
) -> tuple[list[tuple[Tensor, ...]], Tensor]:
    """The results of one or two directions, forward first, and the outputs of both side by side."""
    first: Any = group[0].op
    named = [one.op.named([Tensor(tracer, moved[value]) for value in one.inputs]) for one in group]  # type: ignore[attr-defined]
    x, lengths = named[0]["x"], named[0].get("lengths")
    extras = {
        "B": [_bias(first, one) for one in named if "bias" in one],
        "sequence_lens": [] if lengths is None else [_within(lengths, x)],
        "initial_h": [one["h"].expand_dims(0) for one in named if "h" in one],
        "initial_c": [one["c"].expand_dims(0) for one in named if "c" in one],
        "P": [F.take(one["peepholes"], np.array(PEEPHOLES)).reshape(1, -1) for one in named if "peepholes" in one],
    }
    given = {name: F.concat(parts, 0) for name, parts in extras.items() if parts}
    weights = [F.concat([_gates(first, one[name]) for one in named], 0) for name in ("kernel", "recurrent_kernel")]
    outputs, *states = tracer.apply_all(
        _native_op(first, len(group), tuple(given)), x.transpose(1, 0, 2), *weights, *given.values()
    )
    both = outputs.transpose(2, 0, 1, 3).reshape(*x.shape[:2], -1)
    if lengths is not None and first.mask_policy == "repeat":
        both = _repeat_last(both, group, states[0], lengths)
    results = []
    for place, (one, output) in enumerate(zip(named, F.split(both, len(group)), strict=True)):
        last = (_held(state[place], one.get(name), lengths) for name, state in zip(first.states, states, strict=True))
        results.append((output, *last))
    return results, both


def _is_reverse(node: Node) -> bool:
    return isinstance(node.op, Recurrent) and node.op.reverse


def _native_op(op: Any, directions: int, extras: tuple[str, ...]) -> OnnxRecurrent:
    functions = _activations(op) * directions
    hard = [HARD_SIGMOIDS[name] for name in functions if name in HARD_SIGMOIDS]
    return OnnxRecurrent(
        KINDS[type(op)],
        "bidirectional" if directions == 2 else "reverse" if op.reverse else "forward",
        activations=tuple("HardSigmoid" if name in HARD_SIGMOIDS else ACTIVATIONS[name] for name in functions),
        extras=extras,
        alpha=tuple(alpha for alpha, _ in hard),
        beta=tuple(beta for _, beta in hard),
        linear_before_reset=isinstance(op, g.GRU) and op.reset_after,
    )


def _activations(op: Any) -> tuple[str, ...]:
    """In ONNX's order: of the gates, the candidate, and the output of an LSTM."""
    if isinstance(op, g.SimpleRNN):
        return (op.activation,)
    return (op.recurrent_activation, op.activation, *((op.activation,) if isinstance(op, g.LSTM) else ()))


def _within(lengths: Tensor, x: Tensor) -> Tensor:
    """int32 lengths between 0 and the number of steps: ONNX Runtime refuses others."""
    steps = F.dim_values(x, (x.shape[1],))
    return F.minimum(F.maximum(lengths.cast("int64"), 0), steps).cast("int32")


def _gates(op: Any, kernel: Tensor) -> Tensor:
    """(rows, n*H) in our gate order as (1, n*H, rows) in ONNX's."""
    rows, columns = kernel.shape
    apart = kernel.reshape(rows, op.gates, columns // op.gates)
    return F.take(apart, np.array(GATES[type(op)]), 1).transpose(1, 2, 0).reshape(1, columns, rows)


def _bias(op: Any, named: Mapping[str, Tensor]) -> Tensor:
    """(1, 2*n*H): what is added to the products with x, then to those with h."""
    bias = named["bias"]
    if bias.ndim == 1:
        bias = F.stack([bias, np.zeros(bias.shape, np.float32)])
    apart = bias.reshape(2, op.gates, -1)
    return F.take(apart, np.array(GATES[type(op)]), 1).reshape(1, -1)


def _repeat_last(both: Tensor, group: Sequence[Node], h: Tensor, lengths: Tensor) -> Tensor:
    """The outputs with the last one repeated behind a row's length; backward, what comes first there stays zero."""
    last = [zeros(h[place], h.shape[2]) if _is_reverse(one) else h[place] for place, one in enumerate(group)]
    inside = sequence_mask(lengths, both.shape[1]).expand_dims(2)
    return F.where(inside, both, F.concat(last).expand_dims(1))


def _held(state: Tensor, initial: Tensor | None, lengths: Tensor | None) -> Tensor:
    """The last state; ONNX Runtime gives zeros, not the initial state, for a row of length 0."""
    if initial is None or lengths is None:
        return state
    return F.where((lengths > 0).expand_dims(1), state, initial)
