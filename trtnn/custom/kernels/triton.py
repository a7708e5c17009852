"""Kernels in Triton, compiled ahead of time: neither torch nor a GPU is needed to compile one."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import attrs

from trtnn.custom.kernels.kernel import Compiled, Extent, Kernel
from trtnn.custom.kernels.ptx import keep_parameters, require_parameters
from trtnn.errors import KernelError, LibraryError, SourceLine
from trtnn.graph.dims import Size
from trtnn.graph.types import DType, TensorType

WARP = 32
_TRITON_TYPES = {
    DType.float32: "fp32",
    DType.float16: "fp16",
    DType.bfloat16: "bf16",
    DType.int64: "i64",
    DType.int32: "i32",
    DType.int8: "i8",
    DType.uint8: "u8",
    DType.bool: "i1",
}
_ALIGNED = [["tt.divisibility", 16]]  # what TensorRT and CUDA's allocators give, and `launch` requires


@attrs.frozen(eq=False, kw_only=True)
class TritonKernel(Kernel):
    """A ``@triton.jit`` function.

    Its parameters are pointers to the inputs, then ``arguments``, then pointers to the outputs (and to the workspace),
    then a ``tl.constexpr`` for each of ``constants``, by name; the rest is described in `Kernel`. ``num_warps`` and
    ``num_stages`` are Triton's options: a block has 32 * ``num_warps`` threads.
    """

    function: Any
    num_warps: int = 4
    num_stages: int = 3

    @property
    def name(self) -> str:
        """``TritonKernel`` and the function's name."""
        return f"TritonKernel {getattr(self.function, '__name__', self.function)}"

    def block_of(self, op: Any, inputs: Sequence[TensorType]) -> tuple[Extent, Size]:
        """32 * num_warps threads; how much shared memory there is, the compiler says."""
        return (WARP * self.num_warps, 1, 1), 0

    def compile(
        self, op: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType], architecture: str
    ) -> Compiled:
        """PTX and machine code for an architecture such as ``"90"``; Triton keeps its own cache on disk.

        Raises KernelError with Triton's message and the user's line, or when the function takes other parameters than
        it will be given, and LibraryError when Triton is not installed.
        """
        triton = load()
        signature = self._signature(op, inputs, outputs)
        pointers = [i for i, kind in enumerate(signature.values()) if kind.startswith("*")]
        source = triton.compiler.ASTSource(
            fn=self.function,
            signature=signature,
            constexprs=self.constants_of(op, inputs),
            attrs={(i,): _ALIGNED for i in pointers},
        )
        target = importlib.import_module("triton.backends.compiler").GPUTarget("cuda", int(architecture), WARP)
        options = {"num_warps": self.num_warps, "num_stages": self.num_stages}
        try:
            built = triton.compile(source, target=target, options=options)
        except triton.TritonError as error:
            raise self._refused(error) from None
        wanted = self.parameters(inputs, outputs, self.launch_of(op, inputs))
        entry = built.metadata.name
        ptx = keep_parameters(built.asm["ptx"], entry, len(wanted))
        require_parameters(self.name, ptx, entry, wanted)
        return Compiled(entry, ptx, None, built.metadata.num_warps * WARP, built.metadata.shared)

    def _signature(self, op: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> dict[str, str]:
        """The function's parameters by name with their types as Triton writes them."""
        launch = self.launch_of(op, inputs)
        types = [
            *(self._pointer(one.dtype) for one in inputs),
            *(_TRITON_TYPES[one.dtype] for one in launch.scalars),
            *(self._pointer(one.dtype) for one in outputs),
            *(["*i8"] if launch.workspace != 0 else []),
        ]
        constants = self.constants_of(op, inputs)
        names = [name for name in self.function.arg_names if name not in constants]
        unknown = [name for name in constants if name not in self.function.arg_names]
        if len(names) != len(types) or unknown:
            raise KernelError(
                self.name,
                expected=f"{len(types)} parameters ({', '.join(types)}) and constants {', '.join(constants) or 'none'}",
                got=f"({', '.join(self.function.arg_names)})",
                remedy="pointers to the inputs, then arguments=, then pointers to the outputs, then constants= by name",
                line=self._line(0),
            )
        kinds = dict(zip(names, types, strict=True)) | dict.fromkeys(constants, "constexpr")
        return {name: kinds[name] for name in self.function.arg_names}

    def _pointer(self, dtype: DType) -> str:
        if dtype not in _TRITON_TYPES:
            raise KernelError(self.name, expected=f"a type of {', '.join(map(str, _TRITON_TYPES))}", got=str(dtype))
        return f"*{_TRITON_TYPES[dtype]}"

    def _refused(self, error: Exception) -> KernelError:
        node = getattr(error, "node", None)
        line = self._line(getattr(node, "lineno", 1) - 1)
        return KernelError(self.name, problem=f"does not compile:\n{error}", line=line)

    def _line(self, below: int) -> SourceLine | None:
        """A line of the function, counted from its ``def``."""
        python = self.function.fn
        lines, start = inspect.getsourcelines(python)
        first = next((i for i, text in enumerate(lines) if text.lstrip().startswith("def ")), 0)
        return SourceLine(inspect.getsourcefile(python) or "", start + first + below, python.__name__)


@functools.cache
def load() -> Any:
    """Imports Triton. Raises LibraryError when it is not installed, or too old to compile without a GPU."""
    try:
        triton = importlib.import_module("triton")
    except ModuleNotFoundError as error:
        raise LibraryError(problem='Triton is not installed: pip install "trtnn[triton]"') from error
    parameters = inspect.signature(triton.compiler.ASTSource).parameters
    if "constexprs" not in parameters:
        raise LibraryError("Triton", expected="version 3.3 or newer", got=str(triton.__version__))
    return triton
