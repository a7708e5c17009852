"""What ``load`` returns, converts, refuses and reports."""

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from trtnn.errors import FileFormatError, WeightsError
from trtnn.weights import Slot, list_weights, load

KERNEL = Slot("conv1.kernel", ("conv1/kernel",), (2, 3), "float32", "in, out")
BIAS = Slot("conv1.bias", ("conv1/bias",), (3,), "float32")
VALUES = np.arange(6).reshape(2, 3)


def test_arrays_are_shared_and_read_only() -> None:
    source = {"conv1/kernel": VALUES.astype(np.float32)}
    array = load([KERNEL], source)[0]["conv1.kernel"]
    assert np.shares_memory(array, source["conv1/kernel"])
    assert not array.flags.writeable
    assert source["conv1/kernel"].flags.writeable


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16, ">f4"])
def test_other_floats_are_converted(dtype: Any) -> None:
    arrays, report = load([KERNEL], {"conv1/kernel": VALUES.astype(dtype)})
    array, name = arrays["conv1.kernel"], np.dtype(dtype).name
    assert array.dtype == np.dtype("float32")
    np.testing.assert_array_equal(array, VALUES)
    assert (f"{name} -> float32" in str(report)) == (name != "float32")


def test_any_memory_order_becomes_contiguous() -> None:
    array = load([KERNEL], {"conv1/kernel": np.asfortranarray(VALUES.astype(np.float32))})[0]["conv1.kernel"]
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, VALUES)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (VALUES.astype(np.int32), "int32"),
        (VALUES > 1, "bool"),
        (VALUES.astype(str), "string"),
        (VALUES.astype(np.complex64), "complex64"),
        (VALUES * 1e300, "float64 values beyond its range"),
    ],
)
def test_types_that_are_refused(value: np.ndarray, got: str) -> None:
    with pytest.raises(WeightsError, match=rf"^conv1\.kernel: expected float32, got {got}; .*map another name$"):
        load([KERNEL], {"conv1/kernel": value})
    arrays, report = load([KERNEL], {"conv1/kernel": value}, strict=False)
    assert arrays == {}
    assert report.headline == "the dict: 0 of 1 parameters loaded, 0 missing, 1 of a wrong data type"


def test_integer_parameters() -> None:
    slot = Slot("table", ("table",), (2, 3), "int64")
    np.testing.assert_array_equal(load([slot], {"table": VALUES.astype(np.int64)})[0]["table"], VALUES)


def test_the_report() -> None:
    source = {
        "conv1/kernel": VALUES.astype(np.float32),
        "conv1/bias": np.ones(3, np.float16),
        "head/kernel": np.ones((3, 10), np.float32),
        "conv1/kernel/Adam": np.ones((2, 3), np.float32),
        "global_step": np.int64(3),
    }
    _, report = load([KERNEL, BIAS], source)
    assert str(report) == (
        "the dict: 2 of 2 parameters loaded, 0 missing, 1 unexpected, 2 ignored (optimizer slots, step counters)\n"
        "  unexpected: head/kernel (3, 10) float32\n"
        "  parameter     shape   dtype               name in the file\n"
        "  conv1.kernel  (2, 3)  float32             conv1/kernel\n"
        "  conv1.bias    (3,)    float16 -> float32  conv1/bias"
    )
    assert [(m.path, m.name, m.shape, m.dtype) for m in report.matched] == [
        ("conv1.kernel", "conv1/kernel", (2, 3), "float32"),
        ("conv1.bias", "conv1/bias", (3,), "float16"),
    ]


def test_everything_that_is_wrong_is_in_one_message() -> None:
    source = {"conv1/kernel": np.ones((3, 2), np.float32), "conv1/biass": np.ones(3, np.float32)}
    with pytest.raises(WeightsError) as caught:
        load([KERNEL, BIAS], source)
    assert str(caught.value) == (
        "the dict: 0 of 2 parameters loaded, 1 missing, 1 of a wrong shape, 1 unexpected\n"
        "  conv1.kernel: expected (2, 3), got (3, 2); this looks like PyTorch's (out, in): transpose it\n"
        "  conv1.bias: the file has no conv1/bias; the nearest there: conv1/biass"
    )
    arrays, report = load([KERNEL, BIAS], source, strict=False)
    assert arrays == {}
    assert not report.complete


def test_one_wrong_shape_is_the_whole_error() -> None:
    with pytest.raises(WeightsError) as caught:
        load([KERNEL], {"conv1/kernel": np.ones((3, 2), np.float32)})
    error = caught.value
    assert (error.path, error.expected, error.got) == ("conv1.kernel", (2, 3), (3, 2))
    assert str(error) == (
        "conv1.kernel: expected (2, 3), got (3, 2); this looks like PyTorch's (out, in): transpose it"
    )


def test_a_long_list_is_cut() -> None:
    slots = [Slot(f"layer{i}.kernel", (f"layer{i}/kernel",), (1,), "float32") for i in range(300)]
    with pytest.raises(WeightsError, match=r"and 280 more lines: strict=False returns the whole report$") as caught:
        load(slots, {})
    assert len(str(caught.value).splitlines()) == 22


def test_a_model_without_parameters() -> None:
    assert load([], {})[1].headline == "the dict: 0 of 0 parameters loaded, 0 missing"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "the weights: expected a path or a dict of arrays, got int"),
        ({3: VALUES}, "the dict: expected names as keys, got 3"),
        ({"a": [[1], [2, 3]]}, "a: expected an array, got list"),
    ],
)
def test_sources_that_are_none(source: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$") as caught:
        load([KERNEL], source)
    assert not isinstance(caught.value, FileFormatError)


def test_list_weights() -> None:
    table = list_weights({"conv1/kernel": VALUES, "names": np.array(["a"])})
    assert list(table) == [("conv1/kernel", (2, 3), "int64"), ("names", (1,), "string")]
    assert len(table) == 2
    assert [name for name, _, _ in table] == ["conv1/kernel", "names"]
    assert str(table) == (
        "the dict: 2 variables\n"
        "  name          shape   dtype\n"
        "  conv1/kernel  (2, 3)  int64\n"
        "  names         (1,)    string"
    )
