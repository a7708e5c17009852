"""What a user asks for: half precision, int8, and which modules stay above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from trtnn.errors import ArgumentError
from trtnn.graph import DType, as_dtype

if TYPE_CHECKING:
    from trtnn.precision.calibration import Calibration

IO_TYPES = (DType.float32, DType.float16, DType.bfloat16)


class PrecisionWarning(UserWarning):
    """Something that a chosen precision does to a model and its user should know, such as weights that overflow."""


@attrs.frozen(eq=False)
class Precision:
    """The precision options of ``compile``, checked.

    ``half`` is float16, bfloat16 or None; ``int8`` the calibration of int8 quantization; ``weights`` what weights alone
    are quantized to. ``keep_fp32`` and ``keep_fp16`` are patterns of module paths: the former stay float32, the latter
    are left out of int8.
    """

    half: DType | None = None
    int8: Calibration | None = None
    fp8: Calibration | None = None
    int4: bool = False
    keep_fp32: tuple[str, ...] = ()
    keep_fp16: tuple[str, ...] = ()
    io_dtype: DType = DType.float32

    @classmethod
    def of(
        cls,
        *,
        fp16: bool = False,
        bf16: bool = False,
        int8: Calibration | None = None,
        fp8: Calibration | None = None,
        int4: bool = False,
        keep_fp32: Sequence[str] | str = (),
        keep_fp16: Sequence[str] | str = (),
        io_dtype: Any = "float32",
    ) -> Precision:
        """The options as ``compile`` takes them. Raises ArgumentError for what makes no sense."""
        for name, value in (("fp16", fp16), ("bf16", bf16), ("int4", int4)):
            if not isinstance(value, bool):
                raise ArgumentError(name, expected="True or False", got=repr(value))
        if fp16 and bf16:
            raise ArgumentError("compile", expected="fp16=True or bf16=True", got="both", remedy="choose one half type")
        for name, calibration in (("int8", int8), ("fp8", fp8)):
            _require_calibration(name, calibration)
        quantized = [name for name, value in (("int8", int8), ("fp8", fp8), ("int4", int4)) if value]
        if len(quantized) > 1:
            raise ArgumentError("compile", expected="one of int8=, fp8= and int4=", got=" and ".join(quantized))
        half = DType.float16 if fp16 else DType.bfloat16 if bf16 else None
        return cls(
            half=half,
            int8=int8,
            fp8=fp8,
            int4=int4,
            keep_fp32=_patterns("keep_fp32", keep_fp32, half or int8 or fp8 or int4, "fp16=, bf16= or int8="),
            keep_fp16=_patterns("keep_fp16", keep_fp16, int8 or fp8 or int4, "int8=, which it leaves modules out of"),
            io_dtype=_io_dtype(io_dtype),
        )

    @property
    def is_float32(self) -> bool:
        """True when nothing is converted."""
        return str(self) == "float32"

    def __str__(self) -> str:
        """What an engine says of itself: "float32", "float16", "int8 + bfloat16"."""
        quantized = [name for name, value in (("int8", self.int8), ("fp8", self.fp8)) if value is not None]
        parts = [*quantized, *(["int4 weights"] if self.int4 else []), *([str(self.half)] if self.half else [])]
        text = " + ".join(parts) or "float32"
        return text if self.io_dtype is DType.float32 else f"{text}, {self.io_dtype} inputs and outputs"


def _require_calibration(name: str, value: object) -> None:
    from trtnn.precision.calibration import Calibration

    if value is not None and not isinstance(value, Calibration):
        raise ArgumentError(
            name,
            expected="a trtnn.Calibration",
            got=repr(value),
            remedy=f"{name}=trtnn.Calibration(data), where data yields the network's inputs",
        )


def _patterns(name: str, given: Sequence[str] | str, useful: object, where: str) -> tuple[str, ...]:
    patterns = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(one, str) for one in patterns):
        raise ArgumentError(name, expected='module paths or patterns, such as ["encoder.*"]', got=repr(given))
    if patterns and not useful:
        raise ArgumentError(name, expected=f"{name} together with {where}", got="a float32 network")
    return patterns


def _io_dtype(given: Any) -> DType:
    dtype = as_dtype(given)
    if dtype not in IO_TYPES:
        raise ArgumentError("io_dtype", expected=" or ".join(map(str, IO_TYPES)), got=str(dtype))
    return dtype
