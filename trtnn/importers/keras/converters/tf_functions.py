"""TensorFlow functions in functional models of Keras 2: ``TFOpLambda`` and ``SlicingOpLambda`` nodes.

They are not code but the name of a public function, such as ``math.reduce_mean``, and its arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from trtnn import functional as F
from trtnn.errors import UnsupportedError
from trtnn.importers.keras.calling import Sizes, is_size, no_mask
from trtnn.importers.keras.function import Function
from trtnn.importers.keras.operations import elementwise, reduction, shape
from trtnn.importers.keras.operations.registry import as_float, call_as_written, promoted
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor

Table = dict[str, Callable[..., Any]]


def _two(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, y: function(*promoted(x, y))


def _operators(name: str, operator: str, function: Callable[..., Tensor]) -> Table:
    """A function of two tensors as TensorFlow's function, as an operator, and as an operator with x on the right."""
    swapped = _two(lambda x, y: function(y, x))
    return {
        f"math.{name}": _two(function),
        f"__operators__.{operator}": _two(function),
        f"__operators__.r{operator}": swapped,
    }


UNARY: Table = {
    **{
        f"math.{name}": getattr(F, name)
        for name in [
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "ceil",
            "cos",
            "cosh",
            "erf",
            "exp",
            "expm1",
            "floor",
            "log",
            "log1p",
            "negative",
            "reciprocal",
            "round",
            "rsqrt",
            "sigmoid",
            "sign",
            "sin",
            "sinh",
            "softplus",
            "sqrt",
            "square",
            "tan",
            "tanh",
        ]
    },
    **{
        f"nn.{name}": getattr(F, name)
        for name in ["elu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "swish", "tanh"]
    },
    **{name: lambda x: x for name in ("identity", "stop_gradient", "convert_to_tensor")},
    "nn.gelu": lambda features, approximate=False: F.gelu(features, approximate),
    "nn.leaky_relu": lambda features, alpha=0.2: F.leaky_relu(features, alpha),
    "nn.softmax": lambda logits, axis=-1: F.softmax(logits, -1 if axis is None else axis),
    "nn.log_softmax": lambda logits, axis=-1: F.log_softmax(logits, -1 if axis is None else axis),
    "math.is_nan": F.isnan,
    "math.is_inf": F.isinf,
    "math.is_finite": F.isfinite,
    "math.logical_not": F.logical_not,
}

BINARY: Table = {
    **_operators("add", "add", F.add),
    **_operators("subtract", "sub", F.subtract),
    **_operators("multiply", "mul", F.multiply),
    **_operators("truediv", "truediv", F.divide),
    **_operators("divide", "div", F.divide),
    **_operators("floordiv", "floordiv", F.floor_divide),
    **_operators("floormod", "mod", F.mod),
    **_operators("pow", "pow", F.power),
    **{
        f"math.{name}": _two(getattr(F, name))
        for name in ["equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum", "not_equal"]
    },
    **{f"math.logical_{name}": getattr(F, f"logical_{name}") for name in ("and", "or", "xor")},
    "__operators__.eq": _two(F.equal),
    "__operators__.ne": _two(F.not_equal),
    "math.mod": _two(F.mod),
    "math.divide_no_nan": elementwise.divide_no_nan,
    "math.atan2": elementwise.arctan2,
    "math.squared_difference": _two(lambda x, y: F.square(F.subtract(x, y))),
}


def _reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda input_tensor, axis=None, keepdims=False: function(input_tensor, axis, bool(keepdims))


REDUCTIONS: Table = {
    "math.reduce_sum": _reduction(reduction.sum_),
    "math.reduce_mean": _reduction(F.mean),
    "math.reduce_max": _reduction(F.max),
    "math.reduce_min": _reduction(F.min),
    "math.reduce_prod": _reduction(reduction.prod),
    "math.reduce_std": _reduction(F.std),
    "math.reduce_variance": _reduction(F.var),
    "math.reduce_any": _reduction(F.any),
    "math.reduce_all": _reduction(F.all),
    "math.reduce_logsumexp": _reduction(F.logsumexp),
    "math.argmax": lambda input, axis=None, output_type="int64": F.cast(
        F.argmax(input, 0 if axis is None else axis), output_type
    ),
    "math.argmin": lambda input, axis=None, output_type="int64": F.cast(
        F.argmin(input, 0 if axis is None else axis), output_type
    ),
    "math.cumsum": lambda x, axis=0, exclusive=False, reverse=False: F.cumsum(x, axis, exclusive, reverse),
    "math.add_n": lambda inputs: sum(inputs[1:], inputs[0]),
    "math.top_k": lambda input, k=1, sorted=True: reduction.top_k(input, k),
    "math.l2_normalize": lambda x, axis=None, epsilon=1e-12: (
        x * F.rsqrt(F.maximum(F.sum(F.square(x), axis, keepdims=True), epsilon))
    ),
}


def _pad(
    tensor: Tensor, paddings: Sequence[Sequence[int]], mode: str = "CONSTANT", constant_values: float = 0
) -> Tensor:
    if mode.lower() not in ("constant", "reflect"):
        raise UnsupportedError(problem=f"pad with mode {mode} is not supported")
    return F.pad(tensor, paddings, mode.lower(), constant_values)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    a = F.swapaxes(a, -1, -2) if transpose_a else a
    return F.matmul(a, b, transpose_y=bool(transpose_b))


def _resize(
    images: Tensor,
    size: Sequence[int],
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Tensor:
    if preserve_aspect_ratio:
        raise UnsupportedError(problem="resize that preserves the aspect ratio is not supported")
    return F.resize(as_float(images), size, method, antialias=antialias)


def _where(condition: Any, x: Any, y: Any) -> Tensor:
    return elementwise.where(condition, x, y)


def _lrn(input: Tensor, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5) -> Tensor:
    return F.local_response_norm(input, depth_radius, bias, alpha, beta)


def _sizes(shape: Any) -> Any:
    """A shape from sizes, or from what ``tf.shape`` gave."""
    return shape.values if isinstance(shape, Sizes) else shape


def _stack(values: Sequence[Any], axis: int = 0) -> Any:
    """Tensors on a new axis, or sizes as a shape."""
    return Sizes(tuple(values)) if all(map(is_size, values)) else F.stack(promoted(*values), axis)


SHAPES: Table = {
    "shape": lambda input, out_type=None: Sizes(input.shape),
    "reshape": lambda tensor, shape: F.reshape(tensor, _sizes(shape)),
    "transpose": lambda a, perm=None: F.transpose(a, perm),
    "concat": lambda values, axis: F.concat(promoted(*values), axis),
    "stack": _stack,
    "unstack": lambda value, num=None, axis=0: shape.unstack(value, num, axis),
    "split": lambda value, num_or_size_splits, axis=0: F.split(value, num_or_size_splits, axis),
    "expand_dims": lambda input, axis: F.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: F.squeeze(input, axis),
    "tile": lambda input, multiples: F.tile(input, _sizes(multiples)),
    "repeat": lambda input, repeats, axis=None: shape.repeat(input, repeats, axis),
    "reverse": lambda tensor, axis: F.flip(tensor, axis),
    "roll": lambda input, shift, axis: F.roll(input, shift, axis),
    "broadcast_to": lambda input, shape: F.broadcast_to(input, _sizes(shape)),
    "gather": lambda params, indices, axis=0: shape.take(params, indices, 0 if axis is None else axis),
    "one_hot": lambda indices, depth, axis=-1: F.one_hot(indices, depth, -1 if axis is None else axis),
    "cast": lambda x, dtype: elementwise.cast(x, dtype),
    "where": _where,
    "clip_by_value": lambda t, clip_value_min, clip_value_max: elementwise.clip(t, clip_value_min, clip_value_max),
    "zeros_like": lambda input: F.zeros_like(input),
    "ones_like": lambda input: F.ones_like(input),
    "pad": _pad,
    "linalg.matmul": _matmul,
    "image.resize": _resize,
    "nn.local_response_normalization": _lrn,
    "nn.depth_to_space": lambda input, block_size: _space("DepthToSpace", input, block_size),
    "nn.space_to_depth": lambda input, block_size: _space("SpaceToDepth", input, block_size),
    "nn.bias_add": lambda value, bias: value + bias,
}


def _space(name: str, x: Tensor, block_size: int) -> Tensor:
    from trtnn.importers.keras.operations import nn

    return (nn.depth_to_space if name == "DepthToSpace" else nn.space_to_depth)(x, block_size)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {**UNARY, **BINARY, **REDUCTIONS, **SHAPES}
"""By the names that Keras 2 writes, which are those of TensorFlow without "tf."."""

UNSET = (None, False, 0)
"""What arguments are set to that say nothing."""

ALIASES = {
    "math.floordiv": ("compat.v1.floor_div",),  # which is what ``//`` is written as
    "math.l2_normalize": ("nn.l2_normalize", "linalg.l2_normalize"),
    "nn.local_response_normalization": ("nn.lrn",),
    "linalg.matmul": ("matmul",),
    "nn.silu": ("nn.swish",),
    "where": ("where_v2",),
    "shape": ("shape_v2",),
}


def _named(name: str) -> Callable[..., Any] | None:
    for real, others in ALIASES.items():
        name = real if name in others else name
    return FUNCTIONS.get(name.removeprefix("compat.v1."))  # as Keras 2 calls functions that were there before


@keras_layer("TFOpLambda", call=call_as_written, masks=no_mask)
def tf_function(layer: KerasLayer) -> Module:
    """A public function of TensorFlow, by its name."""
    name = layer.option("function")
    function = _named(name) if isinstance(name, str) else None
    if function is None:
        raise layer.unsupported(f"the function tf.{name}")
    known = inspect.signature(function).parameters
    for call in layer.spec.calls:
        for option, value in call.kwargs.items():
            if option not in known and option != "name" and value not in UNSET:
                raise layer.unsupported(f"{option}={value!r} of tf.{name}")
    return Function(f"tf.{name}", _of_known(function, known))


def _of_known(function: Callable[..., Any], known: Container[str]) -> Callable[..., Any]:
    """The function without the arguments that it does not know; lists of numbers become tuples."""

    def call(*args: Any, **kwargs: Any) -> Any:
        given = {name: tuple(one) if _is_numbers(one) else one for name, one in kwargs.items() if name in known}
        return function(*args, **given)

    return call


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, int) for one in value)


@keras_layer("SlicingOpLambda", call=call_as_written, masks=no_mask)
def slicing(layer: KerasLayer) -> Module:
    """``x[slice_spec]``."""
    layer.require("function", "__operators__.getitem")
    return Function("tf.__operators__.getitem", _slice)


def _slice(x: Any, slice_spec: Any) -> Any:
    if isinstance(x, Sizes):
        one = slice_spec[0] if isinstance(slice_spec, (list, tuple)) else slice_spec
        one = slice(one.get("start"), one.get("stop"), one.get("step")) if isinstance(one, Mapping) else one
        return Sizes(x.values[one]) if isinstance(one, slice) else x.values[one]
    spec = slice_spec if isinstance(slice_spec, (list, tuple)) else [slice_spec]
    return x[
        tuple(
            slice(one.get("start"), one.get("stop"), one.get("step")) if isinstance(one, Mapping) else one
            for one in spec
        )
    ]
