"""Functions that move elements against TensorFlow and NumPy: all data types, fixed and named sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check, named_inputs

tf = tensorflow()


@given(st.data())
def test_concat(data: st.DataObject) -> None:
    shape, dtype = data.draw(own.shapes(1, 4)), data.draw(st.sampled_from(own.ALL_DTYPES))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    place = axis % len(shape)
    parts = [
        own.random_array((*shape[:place], length, *shape[place + 1 :]), dtype, seed=i)
        for i, length in enumerate(lengths)
    ]
    check(lambda *x: F.concat(x, axis), lambda *x: tf.concat(x, axis), parts)


@given(st.data())
def test_stack(data: st.DataObject) -> None:
    shape, dtype = data.draw(own.shapes(0, 3)), data.draw(st.sampled_from(own.ALL_DTYPES))
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    parts = [own.random_array(shape, dtype, seed=i) for i in range(data.draw(st.integers(1, 3)))]
    check(lambda *x: F.stack(x, axis), lambda *x: tf.stack([tf.constant(one) for one in x], axis), parts)


def test_concat_of_named_sizes() -> None:
    inputs = [nn.Input("batch", "width", 3), nn.Input("batch", "other", 3), nn.Input("batch", 2, 3)]

    def arrays(batch: int, width: int, other: int) -> list[np.ndarray]:
        return [own.random_array((batch, size, 3), seed=i) for i, size in enumerate((width, other, 2))]

    check(lambda *x: F.concat(x, 1), lambda *x: tf.concat(x, 1), arrays(1, 2, 3), arrays(2, 5, 1), inputs=inputs)


@given(st.data())
def test_split(data: st.DataObject) -> None:
    """Into equal parts and into given sizes."""
    shape, dtype = data.draw(own.shapes(1, 4)), data.draw(st.sampled_from(own.ALL_DTYPES))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    given_sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    equal = data.draw(st.booleans())
    parts = len(given_sizes) if equal else given_sizes
    place = axis % len(shape)
    total = len(given_sizes) * given_sizes[0] if equal else sum(given_sizes)
    x = own.random_array((*shape[:place], total, *shape[place + 1 :]), dtype)
    check(lambda x: F.split(x, parts, axis), lambda x: tf.split(x, parts, axis), [x])
    named = nn.Input(*(size if i == place else f"dim_{i}" for i, size in enumerate(x.shape)), dtype=dtype)
    check(lambda x: F.split(x, parts, axis), lambda x: tf.split(x, parts, axis), [x], inputs=[named])


@given(st.data())
def test_slicing(data: st.DataObject) -> None:
    """Ints, slices with positive and negative steps, ... and None, as NumPy does it."""
    shape, dtype = data.draw(own.shapes(1, 4)), data.draw(st.sampled_from(own.ALL_DTYPES))
    index = data.draw(own.indices(shape))
    check(lambda x: x[index], lambda x: x[index], [own.random_array(shape, dtype)])


SYMBOLIC_SLICES: dict[str, tuple[Any, Any]] = {
    "all but the last": (lambda x: x[:, :-1], lambda x: x[:, :-1]),
    "the last": (lambda x: x[:, -1], lambda x: x[:, -1]),
    "the last two": (lambda x: x[:, -2:], lambda x: x[:, -2:]),
    "from the second": (lambda x: x[:, 1:], lambda x: x[:, 1:]),
    "every second": (lambda x: x[:, ::2], lambda x: x[:, ::2]),
    "every third from the second": (lambda x: x[:, 1::3], lambda x: x[:, 1::3]),
    "backwards": (lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
    "backwards in steps of two": (lambda x: x[:, ::-2], lambda x: x[:, ::-2]),
    "backwards but for the last": (lambda x: x[:, -2::-1], lambda x: x[:, -2::-1]),
    "backwards down to the second": (lambda x: x[:, :0:-1], lambda x: x[:, :0:-1]),
    "first half": (lambda x: x[:, : x.shape[1] // 2], lambda x: x[:, : x.shape[1] // 2]),
    "second half": (lambda x: x[:, x.shape[1] // 2 :], lambda x: x[:, x.shape[1] // 2 :]),
    "the middle": (lambda x: x[:, x.shape[1] // 2], lambda x: x[:, x.shape[1] // 2]),
    "new axes": (lambda x: x[None, ..., None, 1:, 0], lambda x: x[None, ..., None, 1:, 0]),
}


@pytest.mark.parametrize("name", SYMBOLIC_SLICES)
def test_slicing_of_named_sizes(name: str) -> None:
    function, reference = SYMBOLIC_SLICES[name]
    calls = [[own.random_array((2, width, 3), seed=width)] for width in (5, 3, 4, 8)]
    check(function, reference, *calls, inputs=[nn.Input("batch", "width", 3)])
    check(function, reference, calls[0])


PADS = {"constant": "CONSTANT", "reflect": "REFLECT", "edge": "edge"}


def padded(mode: str, pairs: Any, value: float) -> Any:
    """``tf.pad``, and NumPy's for the mode that TensorFlow does not have."""
    if mode == "edge":
        return lambda x: np.pad(x, pairs, "edge")
    return lambda x: tf.pad(x, pairs, mode.upper(), constant_values=value if mode == "constant" else 0)


@pytest.mark.parametrize("mode", PADS)
@given(data=st.data())
def test_pad(mode: str, data: st.DataObject) -> None:
    shape = data.draw(own.shapes(1, 4))
    most = [size - 1 if mode == "reflect" else 3 for size in shape]
    pairs = [data.draw(st.tuples(st.integers(0, one), st.integers(0, one))) for one in most]
    value = data.draw(st.sampled_from([0.0, -1.5, 7.0]))
    x = own.random_array(shape, seed=data.draw(own.seeds))
    larger = own.random_array([size + 2 for size in shape])
    check(lambda x: F.pad(x, pairs, mode, value), padded(mode, pairs, value), [x])
    check(lambda x: F.pad(x, pairs, mode, value), padded(mode, pairs, value), [x], [larger], inputs=named_inputs([x]))


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
@pytest.mark.parametrize("mode", PADS)
def test_pad_of_other_types(mode: str, dtype: str) -> None:
    pairs, value = [(1, 2), (0, 1)], 1 if mode == "constant" else 0
    x = own.random_array((3, 4), dtype)
    check(
        lambda x: F.pad(x, pairs, mode, value),
        lambda x: np.pad(x, pairs, mode, **({"constant_values": value} if mode == "constant" else {})),
        [x],
    )


def test_pad_by_a_named_size() -> None:
    """The width is doubled, and made even."""
    calls = [[own.random_array((2, width))] for width in (1, 4, 5)]
    inputs = [nn.Input("batch", "width")]
    check(
        lambda x: F.pad(x, [(0, 0), (0, x.shape[1])]),
        lambda x: np.pad(x, [(0, 0), (0, x.shape[1])]),
        *calls,
        inputs=inputs,
    )
    check(
        lambda x: F.pad(x, [(0, 0), (0, x.shape[1] % 2)]),
        lambda x: np.pad(x, [(0, 0), (0, x.shape[1] % 2)]),
        *calls,
        inputs=inputs,
    )


@given(st.data())
def test_transpose(data: st.DataObject) -> None:
    x = data.draw(own.arrays(own.shapes(1, 5), own.ALL_DTYPES))
    axes = data.draw(st.none() | st.permutations(range(x.ndim)))
    check(lambda x: F.transpose(x, axes), lambda x: tf.transpose(x, axes), [x])
    check(lambda x: F.transpose(x, axes), lambda x: tf.transpose(x, axes), [x], inputs=named_inputs([x]))


@given(st.data())
def test_squeeze_and_expand_dims(data: st.DataObject) -> None:
    shape = data.draw(own.shapes(1, 4, max_size=2))
    x = own.random_array(shape, data.draw(st.sampled_from(own.ALL_DTYPES)))
    ones = [i for i, size in enumerate(shape) if size == 1]
    gone = data.draw(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    place = data.draw(st.integers(-len(shape) - 1, len(shape)))
    check(F.squeeze, tf.squeeze, [x])
    check(lambda x: x.squeeze(tuple(gone)), lambda x: np.squeeze(x, tuple(gone)), [x])
    check(lambda x: x.expand_dims(place), lambda x: tf.expand_dims(x, place), [x])
    check(lambda x: x.expand_dims(place), lambda x: tf.expand_dims(x, place), [x], inputs=named_inputs([x]))


RESHAPES: dict[str, Any] = {
    "join": lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2], 4),
    "join with -1": lambda x: x.reshape(x.shape[0], -1, 4),
    "join all": lambda x: x.reshape(-1),
    "split": lambda x: x.reshape(x.shape[0], x.shape[1], x.shape[2], 2, -1),
    "move sizes": lambda x: x.reshape(x.shape[1], x.shape[0], -1),
    "new axis": lambda x: x.reshape((1, *x.shape)),
    "halves in front": lambda x: x.reshape(x.shape[0] * 2, x.shape[1], x.shape[2], 2),
    "flatten": lambda x: F.flatten(x) if isinstance(x, nn.Tensor) else x.reshape(len(x), -1),
    "flatten from 2": lambda x: F.flatten(x, 2) if isinstance(x, nn.Tensor) else x.reshape(*x.shape[:2], -1),
    "flatten from -2": lambda x: F.flatten(x, -2) if isinstance(x, nn.Tensor) else x.reshape(*x.shape[:2], -1),
}


@pytest.mark.parametrize("name", RESHAPES)
def test_reshape(name: str) -> None:
    calls = [[own.random_array((batch, height, 3, 4), seed=batch)] for batch, height in ((2, 5), (1, 1), (3, 2))]
    check(RESHAPES[name], RESHAPES[name], calls[0])
    check(RESHAPES[name], RESHAPES[name], *calls, inputs=[nn.Input("batch", "height", 3, 4)])


@given(st.data())
def test_reshape_to_any_shape(data: st.DataObject) -> None:
    """Every way to cut the same elements; any one size may be -1."""
    x = data.draw(own.arrays(own.shapes(0, 4), own.ALL_DTYPES))
    left, shape = x.size, []
    while left > 1:
        size = data.draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        left //= size
        shape.append(size)
        if len(shape) == 4:
            shape.append(left)
            break
    if shape and data.draw(st.booleans()):
        shape[data.draw(st.integers(0, len(shape) - 1))] = -1
    check(lambda x: x.reshape(shape), lambda x: tf.reshape(x, shape), [x])


def test_flatten_of_a_vector_adds_the_axis_that_it_lacks() -> None:
    x = own.random_array((4,))
    check(F.flatten, lambda x: x.reshape(4, 1), [x])


@given(st.data())
def test_broadcast_to(data: st.DataObject) -> None:
    x, other = data.draw(own.broadcastable(2, own.ALL_DTYPES))
    shape = np.broadcast_shapes(x.shape, other.shape)
    check(lambda x: F.broadcast_to(x, shape), lambda x: tf.broadcast_to(x, shape), [x])


def test_broadcast_to_named_sizes() -> None:
    inputs = [nn.Input("batch", "height", "width"), nn.Input("width")]
    calls = [[own.random_array((2, 3, width)), own.random_array((width,))] for width in (1, 4)]
    check(lambda x, y: F.broadcast_to(y, x.shape), lambda x, y: tf.broadcast_to(y, x.shape), *calls, inputs=inputs)


@pytest.mark.parametrize("index_type", ["int32", "int64"])
@given(data=st.data())
def test_take(index_type: str, data: st.DataObject) -> None:
    """Indices of any rank, as an input and as an array."""
    x = data.draw(own.arrays(own.shapes(1, 3), own.ALL_DTYPES))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shape = data.draw(own.shapes(0, 2))
    indices = np.random.default_rng(data.draw(own.seeds)).integers(0, x.shape[axis], shape).astype(index_type)
    check(lambda x, i: F.take(x, i, axis), lambda x, i: tf.gather(x, i, axis=axis), [x, indices])
    check(lambda x: F.gather(x, indices, axis), lambda x: tf.gather(x, indices, axis=axis), [x])
    named = named_inputs([x, indices])
    check(lambda x, i: F.take(x, i, axis), lambda x, i: tf.gather(x, i, axis=axis), [x, indices], inputs=named)


def test_take_from_a_constant_is_an_embedding() -> None:
    table = own.random_array((7, 3))
    calls = [[np.array([[0, 6, 3]], np.int64)], [np.array([[5], [5], [1], [0]], np.int64)]]
    inputs = [nn.Input("batch", "length", dtype="int64")]

    class Embedding(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Parameter((7, 3))

        def forward(self, ids: nn.Tensor) -> nn.Tensor:
            return F.take(ids.tracer.lift(self.table), ids)

    layer = Embedding()
    layer.table.assign(table)
    check(layer, lambda ids: tf.gather(table, ids), *calls, inputs=inputs)


def test_dim_values() -> None:
    """Sizes as data: those of a tensor, and any arithmetic of them."""
    calls = [[own.random_array((batch, width, 3))] for batch, width in ((1, 1), (2, 5), (3, 8))]
    inputs = [nn.Input("batch", "width", 3)]
    check(F.dim_values, lambda x: np.array(x.shape), *calls, inputs=inputs)
    check(F.dim_values, lambda x: np.array(x.shape), calls[0])

    def sizes(x: Any) -> list[Any]:
        batch, width, _ = x.shape
        return [width // 2, (width + 1) // 2, batch * width - 1, width % 3, 7, -(-width // 4)]

    check(lambda x: F.dim_values(x, sizes(x)), lambda x: np.array(sizes(x)), *calls, inputs=inputs)
    check(
        lambda x: F.reduce_sum(x, (1, 2)) / F.dim_values(x, [x.shape[1]]).cast("float32"),
        lambda x: x.sum((1, 2)) / np.float32(x.shape[1]),
        *calls,
        inputs=inputs,
    )
