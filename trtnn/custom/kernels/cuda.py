"""Kernels in CUDA C++, compiled when they are needed by NVRTC."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trtnn.custom.kernels import nvrtc
from trtnn.custom.kernels.expressions import Expression, value_of
from trtnn.custom.kernels.kernel import Compiled, Extent, Kernel, as_extent
from trtnn.custom.kernels.ptx import require_parameters
from trtnn.errors import KernelError, SourceLine
from trtnn.graph.dims import Size
from trtnn.graph.types import DType, TensorType
from trtnn.trace import user_line

_C_TYPES = {
    DType.float32: "float",
    DType.float16: "__half",
    DType.bfloat16: "__nv_bfloat16",
    DType.int64: "long long",
    DType.int32: "int",
    DType.int8: "signed char",
    DType.uint8: "unsigned char",
    DType.bool: "bool",
}
_HEADERS = {DType.float16: "cuda_fp16.h", DType.bfloat16: "cuda_bf16.h"}
_LOG_LINE = re.compile(r"^(?P<file>.+?)\((?P<line>\d+)\): (?:catastrophic )?error", re.MULTILINE)


@attrs.frozen(eq=False, kw_only=True)
class CudaKernel(Kernel):
    """A kernel in CUDA C++.

    ``source``: the text, or the `pathlib.Path` of a file; ``entry``: the name of its ``extern "C" __global__ void``
    function. What it takes, and the other arguments, are described in `Kernel`. ``block``: threads per block, a size or
    a tuple of up to three, and ``shared``: bytes of dynamic shared memory; both may be functions, as ``grid`` may.
    ``options``: options of cuda-core's ``ProgramOptions``, such as ``{"use_fast_math": True}``.

    In front of the source stand the element types of the operands and results, ``in0_t``, ``in1_t``, ..., ``out0_t``,
    with their headers, and each of ``constants`` as a ``constexpr`` of its name; so one source serves several types.
    """

    source: str | Path
    entry: str
    block: Expression = 256
    shared: Expression = 0
    options: Mapping[str, Any] = attrs.field(factory=dict)
    _defined: SourceLine | None = attrs.field(factory=user_line, init=False, repr=False)

    @property
    def name(self) -> str:
        """``CudaKernel`` and the function's name."""
        return f"CudaKernel {self.entry}"

    def block_of(self, op: Any, inputs: Sequence[TensorType]) -> tuple[Extent, Size]:
        """Threads per block, and bytes of dynamic shared memory, as they are described."""
        block = value_of(f"{self.name}: block", self.block, op, inputs)
        shared = value_of(f"{self.name}: shared", self.shared, op, inputs)
        return as_extent(f"{self.name}: block", block), shared

    def compile(
        self, op: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType], architecture: str
    ) -> Compiled:
        """PTX and machine code for an architecture such as ``"90"``, from the cache where it was compiled before.

        Raises KernelError with the compiler's log and the user's line, or when the function takes other parameters than
        it will be given, and LibraryError when NVRTC is not installed.
        """
        text = self._prelude(op, inputs, outputs) + self._marked_source()
        request = nvrtc.Request(text, architecture, tuple(self.options.items()))
        try:
            ptx, cubin = nvrtc.compile(request, "ptx").decode(), nvrtc.compile(request, "cubin")
        except nvrtc.CompilationError as error:
            raise self._refused(error.log) from None
        wanted = self.parameters(inputs, outputs, self.launch_of(op, inputs))
        require_parameters(self.name, ptx, self.entry, wanted)
        return Compiled(self.entry, ptx, cubin)

    def _prelude(self, op: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> str:
        named = {f"in{i}_t": one.dtype for i, one in enumerate(inputs)}
        named |= {f"out{i}_t": one.dtype for i, one in enumerate(outputs)}
        headers = dict.fromkeys(_HEADERS[one] for one in named.values() if one in _HEADERS)
        lines = [f"#include <{header}>" for header in headers]
        lines += [f"using {name} = {self._c_type(dtype)};" for name, dtype in named.items()]
        lines += [_constant(name, value) for name, value in self.constants_of(op, inputs).items()]
        return "\n".join(lines) + "\n"

    def _c_type(self, dtype: DType) -> str:
        if dtype not in _C_TYPES:
            raise KernelError(self.name, expected=f"a type of {', '.join(map(str, _C_TYPES))}", got=str(dtype))
        return _C_TYPES[dtype]

    def _text(self) -> str:
        return self.source.read_text(encoding="utf-8") if isinstance(self.source, Path) else self.source

    def _marked_source(self) -> str:
        """The source behind a ``#line`` that gives the compiler the user's own file and line."""
        file, line = self._place()
        escaped = file.replace("\\", "\\\\")
        return f'#line {line} "{escaped}"\n{self._text()}'

    def _place(self) -> tuple[str, int]:
        """The file and line where the source begins; a made-up file for text that is not found in the user's."""
        if isinstance(self.source, Path):
            return str(self.source), 1
        if self._defined is not None and Path(self._defined.file).is_file():
            text = Path(self._defined.file).read_text(encoding="utf-8", errors="replace")
            start = text.find(self.source)
            if start >= 0:
                return self._defined.file, text.count("\n", 0, start) + 1
        return f"{self.entry}.cu", 1

    def _refused(self, log: str) -> KernelError:
        first = _LOG_LINE.search(log)
        line = self._defined
        if first is not None and Path(first["file"]).is_file():
            line = SourceLine(first["file"], int(first["line"]), self.entry)
        return KernelError(self.name, problem=f"does not compile:\n{log.strip()}", line=line)


def _constant(name: str, value: bool | int | float) -> str:
    if not name.isidentifier():
        raise KernelError(f"constant {name!r}", expected="the name of a C++ variable", got=repr(name))
    if isinstance(value, bool):
        return f"constexpr bool {name} = {'true' if value else 'false'};"
    if isinstance(value, int):
        return f"constexpr {'int' if -(2**31) < value < 2**31 else 'long long'} {name} = {value};"
    return f"constexpr float {name} = {_float_literal(value)};"


def _float_literal(value: float) -> str:
    """A float in C++, to the last bit; infinities are written as what overflows to them."""
    if value in (float("inf"), float("-inf")):
        return f"{'-' if value < 0 else ''}__builtin_huge_valf()"
    return f"{value.hex()}f"
