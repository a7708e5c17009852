"""Arrays that an engine cannot take: each is refused with what was expected, what came and the remedy, and the engine
goes on working; arrays in an unusual memory layout are taken and mean what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.engine import Engine
from trtnn.errors import DeviceError, DimError, InputError, TrtnnError

from .failing import failure


class Pair(nn.Module):
    """An image and a sequence that share the batch."""

    def forward(
        self, image: nn.Tensor = nn.Input("batch", 4, 6, 3), sequence: nn.Tensor = nn.Input("batch", "time", 2)
    ) -> tuple[nn.Tensor, nn.Tensor]:
        return image * 2, sequence.sum(1)


RNG = np.random.default_rng(0)
IMAGE, SEQUENCE = RNG.normal(size=(2, 4, 6, 3)).astype(np.float32), RNG.normal(size=(2, 5, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Pair().compile(target="onnxruntime", dims={"batch": (1, 2, 4), "time": (2, 4, 8)})


def assert_works(engine: Engine) -> None:
    doubled, summed = engine(IMAGE, SEQUENCE)
    np.testing.assert_array_equal(doubled, IMAGE * 2)
    np.testing.assert_allclose(summed, SEQUENCE.sum(1), rtol=1e-5)


class ArrayLike:
    """Something that NumPy would convert."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return IMAGE


def with_nan(array: np.ndarray, *index: int) -> np.ndarray:
    changed = array.copy()
    changed[index] = np.nan
    return changed


ORDER = "give them in that order, or by name"
TO_FLOAT = 'use x.astype("float32")'
CALLS: list[tuple[type[TrtnnError], str, Callable[[Any], Any]]] = [
    (
        InputError,
        f"engine: expected 2 inputs (image, sequence), got 0 (missing: image, sequence); {ORDER}",
        lambda e: e(),
    ),
    (InputError, f"got 1 (missing: sequence); {ORDER}", lambda e: e(IMAGE)),
    (InputError, f"got 3; {ORDER}", lambda e: e(IMAGE, SEQUENCE, IMAGE)),
    (InputError, f"got 2 (unknown: images; missing: image); {ORDER}", lambda e: e(images=IMAGE, sequence=SEQUENCE)),
    (InputError, f"got 3 (given twice: image); {ORDER}", lambda e: e(IMAGE, SEQUENCE, image=IMAGE)),
    (
        InputError,
        f"image: expected an array of float32, got float64; {TO_FLOAT}",
        lambda e: e(IMAGE.astype(float), SEQUENCE),
    ),
    (
        InputError,
        f"sequence: expected an array of float32, got int64; {TO_FLOAT}",
        lambda e: e(IMAGE, np.ones((2, 5, 2), int)),
    ),
    (InputError, f"image: expected an array of float32, got bool; {TO_FLOAT}", lambda e: e(IMAGE > 0, SEQUENCE)),
    (
        InputError,
        f"image: expected an array of float32, got object; {TO_FLOAT}",
        lambda e: e(IMAGE.astype(object), SEQUENCE),
    ),
    (
        InputError,
        f"image: expected an array of float32 in this machine's byte order, got big-endian float32; {TO_FLOAT}",
        lambda e: e(IMAGE.astype(">f4"), SEQUENCE),
    ),
    (
        InputError,
        'image: expected an array of float32, got list; use np.asarray(x, dtype="float32")',
        lambda e: e(IMAGE.tolist(), SEQUENCE),
    ),
    (InputError, "image: expected an array of float32, got NoneType", lambda e: e(None, SEQUENCE)),
    (InputError, "image: expected an array of float32, got str", lambda e: e("cat.png", SEQUENCE)),
    (InputError, "image: expected an array of float32, got ArrayLike", lambda e: e(ArrayLike(), SEQUENCE)),
    (
        InputError,
        "image: expected an array of float32, got a masked array; use x.filled(value)",
        lambda e: e(np.ma.array(IMAGE, mask=IMAGE > 0), SEQUENCE),
    ),
    (
        InputError,
        "image: expected shape (batch, 4, 6, 3), got rank 3, shape (4, 6, 3); add the batch axis with x[None]",
        lambda e: e(IMAGE[0], SEQUENCE),
    ),
    (
        InputError,
        "image: expected shape (batch, 4, 6, 3), got rank 5, shape (1, 2, 4, 6, 3); x.reshape(...) gives it the right",
        lambda e: e(IMAGE[None], SEQUENCE),
    ),
    (InputError, "image: expected shape (batch, 4, 6, 3), got rank 0, shape ()", lambda e: e(np.float32(1), SEQUENCE)),
    (
        InputError,
        "image: expected shape (batch, 4, 6, 3), got (2, 4, 5, 3) with 5 in place of 6 on axis 2; to take other sizes, "
        "compile with a name in the place of the size",
        lambda e: e(IMAGE[:, :, :5], SEQUENCE),
    ),
    (
        InputError,
        "image: expected shape (batch, 4, 6, 3), got (2, 3, 4, 6) with 3 in place of 4 on axis 1; this looks like NCHW:"
        " use x.transpose(0, 2, 3, 1)",
        lambda e: e(IMAGE.transpose(0, 3, 1, 2), SEQUENCE),
    ),
    (
        InputError,
        "sequence: expected shape (batch, time, 2), got (2, 2, 5) with 5 in place of 2 on axis 2; to take other sizes",
        lambda e: e(IMAGE, SEQUENCE.transpose(0, 2, 1)),
    ),
    (
        InputError,
        "image: expected at least one element on axis 0 (batch), got an empty array, shape (0, 4, 6, 3); skip the call",
        lambda e: e(IMAGE[:0], SEQUENCE[:0]),
    ),
    (
        InputError,
        "sequence: expected at least one element on axis 1 (time), got an empty array, shape (2, 0, 2)",
        lambda e: e(IMAGE, SEQUENCE[:, :0]),
    ),
    (
        InputError,
        "image: expected numbers, got NaN at index (1, 2, 3, 0); clean the input, or compile with check_nan=False",
        lambda e: e(with_nan(IMAGE, 1, 2, 3, 0), SEQUENCE),
    ),
    (
        InputError,
        "sequence: expected numbers, got NaN at index (0, 1, 1)",
        lambda e: e(IMAGE, with_nan(SEQUENCE, 0, 1, 0)[:, :, ::-1]),
    ),
    (
        DimError,
        "sequence: batch: expected 2 on axis 0, as in an earlier input, got 1; a dim of one name has one size in all",
        lambda e: e(IMAGE, SEQUENCE[:1]),
    ),
    (
        DimError,
        'batch: expected 1..4, got 5; compile with dims={"batch": (1, 2, 5)}',
        lambda e: e(np.repeat(IMAGE[:1], 5, 0), np.repeat(SEQUENCE[:1], 5, 0)),
    ),
    (
        DimError,
        'time: expected 2..8, got 1; compile with dims={"time": (1, 4, 8)}',
        lambda e: e(IMAGE, SEQUENCE[:, :1]),
    ),
    (DimError, "time: expected 2..8, got 9; compile with dims=", lambda e: e(IMAGE, np.ones((2, 9, 2), np.float32))),
]


@pytest.mark.parametrize(("kind", "text", "call"), CALLS, ids=range(len(CALLS)))
def test_a_call_that_cannot_be_is_refused_and_the_engine_goes_on(
    engine: Engine, kind: type[TrtnnError], text: str, call: Callable[[Any], Any]
) -> None:
    error = failure(kind, text, lambda: call(engine))
    assert error.expected
    assert error.got
    assert error.remedy
    assert_works(engine)


def misaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return raw[1:].view(array.dtype).reshape(array.shape)


def frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


class Subclass(np.ndarray):
    """An array of the user's own class."""


LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    np.asfortranarray,
    lambda x: x[::-1],
    lambda x: x[:, ::-1],
    lambda x: np.repeat(x, 2, -1)[..., ::2],
    lambda x: np.broadcast_to(x[:1], x.shape),
    lambda x: np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2),
    misaligned,
    frozen,
    lambda x: x.view(Subclass),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=range(len(LAYOUTS)))
def test_any_memory_layout_means_what_it_holds(engine: Engine, layout: Callable[[np.ndarray], np.ndarray]) -> None:
    image, sequence = layout(IMAGE), layout(SEQUENCE)
    doubled, summed = engine(image, sequence)
    np.testing.assert_array_equal(doubled, np.array(image) * 2)
    np.testing.assert_allclose(summed, np.array(sequence).sum(1), rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_infinity_is_a_number() -> None:
    class Same(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("batch", 2)) -> nn.Tensor:
            return x + 1

    x = np.array([[np.inf, -np.inf], [1, 3e38]], np.float32)
    np.testing.assert_array_equal(Same().compile(target="onnxruntime")(x), x + 1)


def test_nan_passes_when_asked_for() -> None:
    engine = Pair().compile(target="onnxruntime", check_nan=False)
    doubled, _ = engine(with_nan(IMAGE, 1, 2, 3, 0), SEQUENCE)
    np.testing.assert_array_equal(doubled, with_nan(IMAGE, 1, 2, 3, 0) * 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_nan_is_found_in_every_float_type_and_layout(dtype: str) -> None:
    class Same(nn.Module):
        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return x + 0

    engine = Same().compile(nn.Input("rows", 3, dtype=dtype), target="onnxruntime")
    x = np.full((4, 3), 60000, dtype)
    assert np.array_equal(engine(x), x)
    x[2, 1] = np.nan
    for array in (x, np.asfortranarray(x)):
        failure(InputError, "x: expected numbers, got NaN at index (2, 1)", lambda array=array: engine(array))


def test_a_failure_inside_the_target_is_typed_and_the_engine_goes_on() -> None:
    class Pick(nn.Module):
        def forward(
            self, table: nn.Tensor = nn.Input(3, 2), index: nn.Tensor = nn.Input("count", dtype="int64")
        ) -> nn.Tensor:
            return F.take(table, index)

    engine, table = Pick().compile(target="onnxruntime"), np.arange(6, dtype=np.float32).reshape(3, 2)
    failure(DeviceError, "Pick: ONNX Runtime failed: ", lambda: engine(table, np.array([1, 9])))
    np.testing.assert_array_equal(engine(table, np.array([2, 0])), table[[2, 0]])


def test_a_size_that_leaves_an_operation_nothing_is_named_by_its_dim() -> None:
    """ONNX Runtime says "Non-zero status code returned while running Conv node" of it."""
    conv = nn.Conv2d(3, 2, 5)
    conv.load_weights({"kernel": np.ones((5, 5, 3, 2), np.float32), "bias": np.zeros(2, np.float32)})
    engine = nn.Sequential(conv).compile(nn.Input("batch", "height", 8, 3), target="onnxruntime")
    for height, left in ((1, -3), (4, 0)):
        with pytest.raises(DimError, match=rf"^height: at height={height}, 0: conv would make .* height - 4 = {left}"):
            engine(np.ones((2, height, 8, 3), np.float32))
    with pytest.raises(DimError, match=r"^height: at height=4, "):
        engine(np.ones((2, 4, 8, 3), np.float32), out=np.ones((2, 0, 4, 2), np.float32))
    assert engine(np.ones((2, 5, 8, 3), np.float32)).shape == (2, 1, 4, 2)
