"""What every kernel is, however it is written: the data types it serves, and its launch as a function of the shapes."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from trtnn.custom.kernels.expressions import Expression, Scalar, value_of
from trtnn.custom.kernels.ptx import Parameter
from trtnn.errors import DTypeError, KernelError, TrtnnError
from trtnn.graph.dims import DimExpr, Size, evaluate, is_int
from trtnn.graph.types import DType, TensorType, as_dtype
from trtnn.trace import user_line

Extent: TypeAlias = tuple[Size, Size, Size]

_MAX_THREADS = 1024
_MAX_SHARED = 48 * 1024  # what CUDA gives without being asked for more
_MAX_GRID = (2**31 - 1, 65535, 65535)


@attrs.frozen
class Launch:
    """One launch: how many blocks and threads, how much memory, and the numbers that the kernel takes by value.

    ``grid`` counts blocks and ``block`` threads along x, y and z; ``shared`` is dynamic shared memory per block and
    ``workspace`` scratch memory of the whole launch, both in bytes. Sizes may be symbolic.
    """

    grid: Extent
    block: Extent
    shared: Size
    workspace: Size
    scalars: tuple[Scalar, ...]

    def concrete(self, dims: Mapping[str, int]) -> Launch:
        """The launch with every named dim replaced by its value. Raises KernelError for one that no GPU takes."""

        def extent(sizes: Extent) -> Extent:
            x, y, z = (evaluate(one, dims) for one in sizes)
            return x, y, z

        found = Launch(
            extent(self.grid),
            extent(self.block),
            evaluate(self.shared, dims),
            evaluate(self.workspace, dims),
            tuple(one.concrete(dims) for one in self.scalars),
        )
        _require_possible(found)
        return found

    def completed(self, compiled: Compiled) -> Launch:
        """The launch with what the compiler decided: threads per block and shared memory."""
        block = self.block if compiled.threads is None else (compiled.threads, 1, 1)
        return attrs.evolve(self, block=block, shared=self.shared if compiled.shared is None else compiled.shared)

    @property
    def is_empty(self) -> bool:
        """Whether a concrete launch has no blocks: it does nothing, and CUDA refuses it."""
        return 0 in self.grid


@attrs.frozen
class Compiled:
    """A kernel's machine code for one op, its data types and one architecture.

    ``ptx`` is NVIDIA's portable assembly, ``cubin`` code for exactly the architecture (None when the driver makes it
    from the PTX). ``threads`` and ``shared`` (bytes) are what a compiler chose, None when the launch says so itself.
    """

    entry: str
    ptx: str
    cubin: bytes | None = attrs.field(repr=False)
    threads: int | None = None
    shared: int | None = None


def _variants_from(given: Any) -> tuple[DType | tuple[DType, ...], ...]:
    """The variants of ``dtypes=``; one alone is taken for a tuple of one. Raises KernelError for what is no type."""
    variants = given if isinstance(given, (tuple, list)) else (given,)
    try:
        found = tuple(
            tuple(map(as_dtype, one)) if isinstance(one, (tuple, list)) else as_dtype(one) for one in variants
        )
    except DTypeError as error:
        raise KernelError("dtypes", expected=error.expected, got=error.got, line=user_line()) from None
    if not found:
        raise KernelError("dtypes", expected="at least one variant", got="none", line=user_line())
    return found


@attrs.frozen(eq=False, kw_only=True)
class Kernel(abc.ABC):
    """A kernel in some language; `CudaKernel` and `TritonKernel` are the two there are.

    ``grid``, ``arguments``, ``constants`` and ``workspace`` are values, or functions of the op and its input types
    (`TensorType`, whose sizes may be symbolic) that give values:

    - ``grid``: blocks along x, or a tuple of up to three;
    - ``arguments``: a tuple of `int32`, `int64` and `float32`;
    - ``constants``: a dict of names and ints, floats or bools, known when the kernel is compiled;
    - ``workspace``: bytes of scratch memory.

    ``dtypes``: one entry per variant, a data type that all operands and results share, or a tuple with one for each.

    The compiled function takes, in this order: a pointer for each input, the arguments, a pointer for each output, and
    a pointer to the workspace if it is not 0. That is the order of TensorRT's plugins that are compiled ahead of time.
    """

    grid: Expression
    dtypes: tuple[DType | tuple[DType, ...], ...] = attrs.field(converter=_variants_from)
    arguments: Expression = ()
    constants: Expression = attrs.field(factory=dict)
    workspace: Expression = 0

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What errors call it, such as ``CudaKernel bias_swish``."""

    @abc.abstractmethod
    def block_of(self, op: Any, inputs: Sequence[TensorType]) -> tuple[Extent, Size]:
        """Threads per block, and bytes of dynamic shared memory."""

    @abc.abstractmethod
    def compile(
        self, op: Any, inputs: Sequence[TensorType], outputs: Sequence[TensorType], architecture: str
    ) -> Compiled:
        """The code for an architecture such as ``"90"``. Raises KernelError with the compiler's log and the user's
        line, and LibraryError when the compiler is not installed."""

    def serves(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> bool:
        """Whether one of the variants has the data types."""
        found = tuple(one.dtype for one in (*inputs, *outputs))
        return any(variant == found for variant in self._variants(len(found)))

    def launch_of(self, op: Any, inputs: Sequence[TensorType]) -> Launch:
        """The launch for inputs of these types. Raises KernelError for an expression that gives no size or number."""
        grid = value_of(f"{self.name}: grid", self.grid, op, inputs)
        workspace = value_of(f"{self.name}: workspace", self.workspace, op, inputs)
        scalars = value_of(f"{self.name}: arguments", self.arguments, op, inputs)
        block, shared = self.block_of(op, inputs)
        _require_scalars(self.name, scalars)
        return Launch(
            as_extent(f"{self.name}: grid", grid),
            block,
            as_bytes(f"{self.name}: shared", shared),
            as_bytes(f"{self.name}: workspace", workspace),
            tuple(scalars),
        )

    def launch_at(self, op: Any, inputs: Sequence[TensorType], compiled: Compiled | None = None) -> Launch:
        """The launch for inputs of known shapes. Raises KernelError for one that no GPU takes, and DimError for an
        argument that does not fit its type."""
        launch = self.launch_of(op, inputs)
        try:
            return (launch.completed(compiled) if compiled else launch).concrete({})
        except TrtnnError as error:
            error.path = f"{self.name}: {error.path}"
            raise

    def constants_of(self, op: Any, inputs: Sequence[TensorType]) -> dict[str, bool | int | float]:
        """The constants for an op. Raises KernelError for a value that cannot be one."""
        found: dict[str, Any] = dict(value_of(f"{self.name}: constants", self.constants, op, inputs))
        for name, value in found.items():
            if not isinstance(value, (bool, int, float)) or value != value:  # a NaN is not equal to itself
                raise KernelError(
                    f"{self.name}: constant {name}",
                    expected="an int, float or bool, which is all that can go to a kernel",
                    got=f"{type(value).__name__} {value!r}",
                    remedy="map it to a number in constants=",
                )
        return found

    def parameters(
        self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], launch: Launch
    ) -> list[Parameter]:
        """What the compiled function takes, in order, for `ptx.require_parameters`."""
        workspace = [Parameter("workspace", 8)] if launch.workspace != 0 else []
        return [
            *(Parameter(f"input {i}, a pointer to {one.dtype}", 8) for i, one in enumerate(inputs)),
            *(
                Parameter(f"argument {i}, {one.dtype}", one.dtype.numpy.itemsize)
                for i, one in enumerate(launch.scalars)
            ),
            *(Parameter(f"output {i}, a pointer to {one.dtype}", 8) for i, one in enumerate(outputs)),
            *workspace,
        ]

    def _variants(self, count: int) -> list[tuple[DType, ...]]:
        return [one if isinstance(one, tuple) else (one,) * count for one in self.dtypes]


def choose(kernels: Sequence[Kernel], name: str, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Kernel:
    """The first kernel that serves the data types. Raises KernelError, with what there is, when none does."""
    for kernel in kernels:
        if kernel.serves(inputs, outputs):
            return kernel
    there = "; ".join(f"{one.name}: {', '.join(map(_variant_text, one.dtypes))}" for one in kernels) or "no kernel"
    raise KernelError(
        name,
        expected=f"a kernel for {', '.join(str(one.dtype) for one in inputs)} "
        f"that gives {', '.join(str(one.dtype) for one in outputs)}",
        got=there,
        remedy="add the variant to a kernel's dtypes=, or cast the operands",
    )


def as_extent(what: str, value: Any) -> Extent:
    """Up to three sizes from one or a tuple, 1 for those left out. Raises KernelError for anything else."""
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if not 1 <= len(sizes) <= 3 or not all(_is_size(one) for one in sizes):
        raise KernelError(what, expected="a size, or a tuple of one to three sizes", got=repr(value))
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z


def as_bytes(what: str, value: Any) -> Size:
    """A number of bytes. Raises KernelError for anything but a size of at least 0."""
    if not _is_size(value) or (is_int(value) and value < 0):
        raise KernelError(what, expected="a number of bytes", got=repr(value))
    number: Size = value
    return number


def _is_size(value: Any) -> bool:
    return is_int(value) or isinstance(value, DimExpr)


def _require_scalars(name: str, scalars: Any) -> None:
    if not isinstance(scalars, (tuple, list)) or not all(isinstance(one, Scalar) for one in scalars):
        raise KernelError(
            f"{name}: arguments",
            expected="a tuple of int32(...), int64(...) and float32(...)",
            got=repr(scalars),
            remedy="every argument says its type, since the kernel's own cannot be seen from here",
        )


def _require_possible(launch: Launch) -> None:
    x, y, z = launch.block
    threads = int(x) * int(y) * int(z)
    if not 1 <= threads <= _MAX_THREADS:
        raise KernelError("block", expected=f"1 to {_MAX_THREADS} threads", got=f"{launch.block}, {threads} threads")
    if int(launch.shared) > _MAX_SHARED:
        raise KernelError("shared", expected=f"at most {_MAX_SHARED} bytes", got=str(launch.shared))
    for size, most in zip(launch.grid, _MAX_GRID, strict=True):
        if not 0 <= int(size) <= most:
            raise KernelError("grid", expected=f"at most {_MAX_GRID} blocks", got=str(launch.grid))


def _variant_text(variant: Any) -> str:
    return f"({', '.join(map(str, variant))})" if isinstance(variant, tuple) else str(variant)
