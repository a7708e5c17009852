"""Recurrent layers over whole sequences: LSTM, GRU and the simple RNN.

Operands are x (B, T, I), kernel (I, n*H), recurrent_kernel (P, n*H), where n is the number of gates, then those that
``extras`` names, in its order. P is H, or what an LSTM's projection gives. Weights lie gate by gate along their last
axis, in the order that the operation's docstring states. Results are the outputs of all steps (B, T, P) and the last
states.

``lengths`` (B,), int32 or int64, and ``mask`` (B, T), bool, say which steps count: those below the row's length, and
those whose mask holds; both when both are given. A step that does not count leaves the states as they are. Its output
is zero with the mask policy "zero" (TensorFlow 1's ``dynamic_rnn``) and, with "repeat" (Keras), that of the step
before, or zero when there is none. ``reverse`` walks from the last step to the first, with outputs in the order of x: a
row's padding is then passed over first, which is reversing by length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias, TypeVar

import attrs

from trtnn.errors import ArgumentError, ShapeError
from trtnn.graph.dims import Size
from trtnn.graph.ops.base import Op, require_dtype, require_float, require_rank, require_same_dtype
from trtnn.graph.ops.math import Unary
from trtnn.graph.ops.nn import Activation
from trtnn.graph.types import DType, Shape, TensorType, shape_text

MaskPolicy: TypeAlias = Literal["zero", "repeat"]
Named = TypeVar("Named")

CELL_ACTIVATIONS: dict[str, Op | None] = {
    "linear": None,
    "sigmoid": Activation("sigmoid"),
    "tanh": Activation("tanh"),
    "relu": Activation("relu"),
    "relu6": Activation("clip", 0.0, 6.0),
    "leaky_relu": Activation("leaky_relu", 0.2),
    "elu": Activation("elu", 1.0),
    "selu": Activation("selu", 1.6732632423543772, 1.0507009873554805),
    "gelu": Activation("gelu"),
    "silu": Activation("swish"),
    "swish": Activation("swish"),
    "mish": Activation("mish"),
    "softplus": Activation("softplus"),
    "softsign": Activation("softsign"),
    "exponential": Unary("exp"),
    "hard_sigmoid": Activation("hard_sigmoid", 1 / 6, 0.5),
    "hard_sigmoid_keras2": Activation("hard_sigmoid", 0.2, 0.5),
}
"""The activations that a cell may have, under Keras's names; None is the identity."""


def _known_activation(op: Op, field: attrs.Attribute[str], name: str) -> None:
    if name not in CELL_ACTIVATIONS:
        raise ArgumentError(field.name, expected=f"one of {', '.join(CELL_ACTIVATIONS)}", got=repr(name))


def _known_policy(op: Op, field: attrs.Attribute[str], policy: str) -> None:
    if policy not in ("zero", "repeat"):
        raise ArgumentError("mask_policy", expected='"zero" or "repeat"', got=repr(policy))


def _positive_bound(op: Op, field: attrs.Attribute[float], bound: float | None) -> None:
    if bound is not None and not bound > 0:
        raise ArgumentError(field.name, expected="a positive number, or None", got=repr(bound))


@attrs.frozen(eq=False, repr=False)
class Recurrent(Op):
    """What the recurrent operations share; see the module's docstring. ``activation`` is one of `CELL_ACTIVATIONS`."""

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]]

    extras: tuple[str, ...] = ()
    reverse: bool = False
    mask_policy: MaskPolicy = attrs.field(default="zero", validator=_known_policy)
    activation: str = attrs.field(default="tanh", validator=_known_activation)

    @property
    def name(self) -> str:
        """lstm, gru or simple_rnn."""
        return {"SimpleRNN": "simple_rnn"}.get(type(self).__name__, type(self).__name__.lower())

    def named(self, operands: Sequence[Named]) -> dict[str, Named]:
        """The operands, or anything that stands for them, by name."""
        return dict(zip(("x", "kernel", "recurrent_kernel", *self.extras), operands, strict=True))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """(B, T, P), then the states: h (B, P) and, for an LSTM, c (B, H)."""
        named = self.named(inputs)
        x, kernel, recurrent = inputs[:3]
        for what, one, rank in (("an input", x, 3), ("a kernel", kernel, 2), ("a recurrent kernel", recurrent, 2)):
            require_rank(what, one, rank)
        require_float("an input", x)
        require_same_dtype([one for name, one in named.items() if name not in ("lengths", "mask")])
        batch, steps, features = x.shape
        units = self._units(recurrent)
        sizes = self._state_sizes(named, units)
        _require_shape("kernel", kernel, (features, self.gates * units))
        _require_shape("recurrent_kernel", recurrent, (sizes[0], self.gates * units))
        for name in self.extras:
            self._require_extra(name, named[name], units, {"batch": batch, "steps": steps}, sizes)
        states = tuple(TensorType(x.dtype, (batch, size)) for size in sizes)
        return (TensorType(x.dtype, (batch, steps, sizes[0])), *states)

    def _units(self, recurrent: TensorType) -> int:
        columns = recurrent.shape[1]
        if not isinstance(columns, int) or columns % self.gates:
            raise ShapeError(
                "recurrent_kernel",
                expected=f"{self.gates} gates side by side on its last axis",
                got=shape_text(recurrent.shape),
            )
        return columns // self.gates

    def _state_sizes(self, named: dict[str, TensorType], units: int) -> tuple[int, ...]:
        return (units,) * len(self.states)

    def _require_extra(
        self, name: str, got: TensorType, units: int, outer: dict[str, Size], sizes: tuple[int, ...]
    ) -> None:
        """Raises ShapeError or DTypeError unless the named operand fits."""
        if name == "lengths":
            require_dtype("lengths", got, DType.int32, DType.int64)
            _require_shape(name, got, (outer["batch"],))
        elif name == "mask":
            require_dtype("a mask", got, DType.bool)
            _require_shape(name, got, (outer["batch"], outer["steps"]))
        elif name in self.states:
            _require_shape(name, got, (outer["batch"], sizes[self.states.index(name)]))
        else:
            _require_shape(name, got, *self._weight_shapes(name, units, sizes))

    def _weight_shapes(self, name: str, units: int, sizes: tuple[int, ...]) -> tuple[Shape, ...]:
        """The shapes that a weight may have."""
        return ((self.gates * units,),)


@attrs.frozen(eq=False, repr=False)
class LSTM(Recurrent):
    """Long short-term memory. Gates i, f, g, o: input, forget, candidate, output.

    Extras: bias (4H,), peepholes (3, H) with the rows i, f, o, projection (H, P), h (B, P), c (B, H), lengths, mask::

        i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias)
        c' = recurrent_activation(f + peepholes[1] * c) * c + recurrent_activation(i + peepholes[0] * c) * activation(g)
        c' = clip(c', -cell_clip, cell_clip)
        h' = recurrent_activation(o + peepholes[2] * c') * activation(c')
        h' = clip(h' @ projection, -projection_clip, projection_clip)
    """

    gates = 4
    states = ("h", "c")

    recurrent_activation: str = attrs.field(default="sigmoid", validator=_known_activation)
    cell_clip: float | None = attrs.field(default=None, validator=_positive_bound)
    projection_clip: float | None = attrs.field(default=None, validator=_positive_bound)

    def _state_sizes(self, named: dict[str, TensorType], units: int) -> tuple[int, ...]:
        if "projection" not in named:
            return units, units
        projection = named["projection"]
        require_rank("a projection", projection, 2)
        out = projection.shape[1]
        if projection.shape[0] != units or not isinstance(out, int):
            raise ShapeError(
                "projection", expected=f"({units}, out), from the {units} units", got=shape_text(projection.shape)
            )
        return out, units

    def _weight_shapes(self, name: str, units: int, sizes: tuple[int, ...]) -> tuple[Shape, ...]:
        return {"bias": ((4 * units,),), "peepholes": ((3, units),), "projection": ((units, sizes[0]),)}[name]


@attrs.frozen(eq=False, repr=False)
class GRU(Recurrent):
    """Gated recurrent unit. Gates z, r, n: update, reset, candidate.

    Extras: bias (3H,), or (2, 3H) for x and h apart, h (B, H), lengths, mask. With ``reset_after``::

        z = recurrent_activation(x_z + h_z);  r = recurrent_activation(x_r + h_r);  n = activation(x_n + r * h_n)
        h' = z * h + (1 - z) * n

    where x_* are the gates of x @ kernel + bias[0] and h_* those of h @ recurrent_kernel + bias[1]. Without it, h_n is
    (r * h) @ recurrent_kernel_n and is not multiplied by r again.
    """

    gates = 3
    states = ("h",)

    recurrent_activation: str = attrs.field(default="sigmoid", validator=_known_activation)
    reset_after: bool = True

    def _weight_shapes(self, name: str, units: int, sizes: tuple[int, ...]) -> tuple[Shape, ...]:
        return ((2, 3 * units), (3 * units,)) if self.reset_after else ((3 * units,),)


@attrs.frozen(eq=False, repr=False)
class SimpleRNN(Recurrent):
    """``h' = activation(x @ kernel + h @ recurrent_kernel + bias)``. Extras: bias (H,), h (B, H), lengths, mask."""

    gates = 1
    states = ("h",)


RECURRENT = (LSTM, GRU, SimpleRNN)


def _require_shape(what: str, got: TensorType, *allowed: Shape) -> None:
    if got.shape not in allowed:
        raise ShapeError(what, expected=" or ".join(map(shape_text, allowed)), got=shape_text(got.shape))
