"""Comparing the forms of a custom op: all that this machine can run, on the same arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from trtnn.custom.definition import CustomOp, custom_of
from trtnn.custom.evaluation import decompose_float32
from trtnn.custom.exact import decompose_float64, is_float
from trtnn.errors import CustomOpError, DTypeError

Results = tuple[np.ndarray, ...]

_STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""From 1 to the next larger number."""


@attrs.frozen
class FormRow:
    """How far one form is from the truth: the largest difference, divided by the largest magnitude of the truth."""

    form: str
    error: float
    tolerance: float

    def __str__(self) -> str:
        return f"{self.form:24} {self.error:8.1e}   at most {self.tolerance:.0e}"


@attrs.frozen
class FormReport:
    """What `check` found. ``truth`` is the form that the others were held against."""

    op: str
    truth: str
    rows: tuple[FormRow, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.op} against its {self.truth}", *(f"  {row}" for row in self.rows)])


def check(op: Any, *arrays: np.ndarray, tolerance: float = 1e-5) -> FormReport:
    """Runs every form of the op that this machine can run, and compares them with the truth: the decomposition in
    float64, or the reference in float64 where there is no decomposition.

    ``op`` is what `custom_of` takes; ``arrays`` are its operands. ``tolerance`` bounds the largest difference, relative
    to the largest magnitude of the truth; integers and shapes must be equal. Raises CustomOpError for a form that
    differs, or for an op whose forms are all kernels, and DTypeError for float64 operands.
    """
    custom = custom_of(op)
    arrays = tuple(map(np.asarray, arrays))
    for place, array in enumerate(arrays):
        if array.dtype == np.float64:
            raise DTypeError(
                f"{custom.name}: operand {place}",
                expected="an array of float32",
                got="float64",
                remedy='use x.astype("float32")',
            )
    forms = _forms(custom, arrays)
    if not forms:
        raise CustomOpError(
            custom.name, problem="there is nothing to compare its kernels with", remedy="write decompose or reference"
        )
    (truth, run), *others = forms.items()
    wide = [array.astype(np.float64) if is_float(array) else array for array in arrays]
    expected = run(custom, *wide)
    rows = tuple(_compare(custom, truth, name, expected, form(custom, *arrays), tolerance) for name, form in others)
    return FormReport(str(custom), truth, rows)


def _forms(op: CustomOp, arrays: Sequence[np.ndarray]) -> dict[str, Callable[..., Results]]:
    """The forms that can run, by name, the truth first; kernels where there is a GPU."""
    found: dict[str, Callable[..., Results]] = {}
    if op.has_decomposition:
        found["decomposition in float64"] = decompose_float64
    if op.has_reference:
        found["reference in float64"] = _reference_float64
        found["reference"] = CustomOp.reference
    if op.has_decomposition:
        found["decomposition"] = decompose_float32
    if found and op.kernels:
        from trtnn.custom.kernels.checking import run_kernel, runnable_kernels  # what other ops do without

        found |= {kernel.name: functools.partial(run_kernel, kernel) for kernel in runnable_kernels(op, arrays)}
    return found


def _reference_float64(op: CustomOp, *arrays: np.ndarray) -> Results:
    """The reference on float64 operands, whose results have the types that NumPy gives them."""
    wide = [array.astype(np.float64) if is_float(array) else array for array in arrays]
    results = op.options.reference(*wide)
    return tuple(map(np.asarray, results if isinstance(results, (tuple, list)) else (results,)))


def _compare(
    op: CustomOp, truth: str, form: str, expected: Sequence[np.ndarray], got: Sequence[np.ndarray], tolerance: float
) -> FormRow:
    shapes = [[array.shape for array in arrays] for arrays in (expected, got)]
    if shapes[0] != shapes[1]:
        raise CustomOpError(
            op.name, expected=f"results of shapes {shapes[0]}, as the {truth} gives", got=f"{shapes[1]} from the {form}"
        )
    row = FormRow(form, max(map(_difference, expected, got)), max(tolerance, *map(_rounding, got)))
    if not row.error <= row.tolerance:
        raise CustomOpError(
            op.name,
            problem=f"the {form} is not what the {truth} is",
            expected=f"a relative error of {row.tolerance:.0e}",
            got=f"{row.error:.1e}",
        )
    return row


def _rounding(got: np.ndarray) -> float:
    """What rounding a result to half precision may cost; nothing for other types."""
    return _STEPS.get(got.dtype.name, 0.0)


def _difference(expected: np.ndarray, got: np.ndarray) -> float:
    if not expected.size:
        return 0.0
    exact, found = (np.asarray(array, np.float64) for array in (expected, got))
    same = (exact == found) | (np.isnan(exact) & np.isnan(found))  # infinities too
    if same.all():
        return 0.0
    if not is_float(got) or not np.isfinite(np.where(same, 0, exact - found)).all():
        return float("inf")
    finite = exact[np.isfinite(exact)]
    scale = max(float(np.abs(finite).max(initial=0)), float(np.finfo(np.float32).tiny))
    return float(np.abs(np.where(same, 0, exact - found)).max()) / scale
