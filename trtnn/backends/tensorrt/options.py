"""What a build can be told: checked when it is said, and read back, since TensorRT ignores what it does not like."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from trtnn.backends.tensorrt.library import Library
from trtnn.errors import ArgumentError, UnsupportedError
from trtnn.graph.dims import is_int

MAX_LEVEL = 5
CURRENT = "current"


def _level(options: BuildOptions, field: attrs.Attribute[int], level: int | None) -> None:
    if level is not None and not (is_int(level) and 0 <= level <= MAX_LEVEL):
        raise ArgumentError(
            "optimization_level",
            expected=f"0 to {MAX_LEVEL}",
            got=repr(level),
            remedy=f"0 builds the fastest and {MAX_LEVEL} runs the fastest; TensorRT's default is 3",
        )


def _bytes(options: BuildOptions, field: attrs.Attribute[int], size: int | None) -> None:
    if size is not None and not (is_int(size) and 0 < size < 1 << 63):
        raise ArgumentError(
            "workspace", expected="a positive number of bytes", got=repr(size), remedy="1 << 30 is a gibibyte"
        )


def _flag(options: BuildOptions, field: attrs.Attribute[bool], value: bool) -> None:
    if not isinstance(value, bool):
        raise ArgumentError(field.name, expected="True or False", got=repr(value))


def _path(value: Any) -> Path | None:
    if value is not None and not isinstance(value, (str, Path)):
        raise ArgumentError("timing_cache", expected="a path", got=repr(value))
    return None if value is None else Path(value)


def _capabilities(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else None
    if found is None or not all(isinstance(one, str) for one in found):
        raise ArgumentError("compute_capabilities", expected='a list of texts such as ["8.6", "8.9"]', got=repr(value))
    return found


@attrs.frozen(kw_only=True)
class BuildOptions:
    """How TensorRT builds a plan. Raises ArgumentError for what makes no sense.

    ``optimization_level``: 0 (builds the fastest) to 5 (runs the fastest), TensorRT's default when None.
    ``workspace``: bytes of scratch memory that a layer may use on the GPU, as many as the GPU has when None.

    ``tf32`` lets float32 convolutions and products round their operands to 10 bits of mantissa, as tensor cores do.
    TensorRT has it on unless told otherwise; here it is off, so that float32 means the digits that a CPU gives, with
    TensorFlow or without, and what is faster and less exact has to be asked for, as ``fp16`` has.

    ``sparsity`` lets TensorRT use kernels for 2:4 sparse weights where the weights are such.

    ``timing_cache``: a file that keeps what TensorRT measured while it chose kernels. It is read where it exists and
    fits this GPU and version, and written after the build; TensorRT-RTX measures nothing and has none.

    ``compute_capabilities``: what TensorRT-RTX builds for, such as ``["8.6", "8.9"]``, or ``["current"]`` for the GPU
    of this machine; those that it takes by itself when empty. TensorRT builds for the GPU that it runs on.

    ``refittable`` lets `Engine.refit` put other weights into the plan, which may make it a little slower.
    """

    optimization_level: int | None = attrs.field(default=None, validator=_level)
    workspace: int | None = attrs.field(default=None, validator=_bytes)
    tf32: bool = attrs.field(default=False, validator=_flag)
    sparsity: bool = attrs.field(default=False, validator=_flag)
    timing_cache: Path | None = attrs.field(default=None, converter=_path)
    compute_capabilities: tuple[str, ...] = attrs.field(default=(), converter=_capabilities)
    refittable: bool = attrs.field(default=False, validator=_flag)

    def require_support(self, library: Library) -> None:
        """Raises UnsupportedError for an option that the library does not have, ArgumentError for a compute capability
        that it does not know."""
        if self.timing_cache is not None and library.target == "tensorrt-rtx":
            raise UnsupportedError(
                "timing_cache",
                problem="TensorRT-RTX has no timing cache: it measures nothing while it builds",
                remedy="leave it out for this target",
            )
        if self.compute_capabilities and not hasattr(library.trt, "ComputeCapability"):
            raise UnsupportedError(
                "compute_capabilities",
                problem="TensorRT builds for the GPU that it runs on",
                remedy='leave it out, or compile with target="tensorrt-rtx", which builds for others too',
            )
        self._find_capabilities(library.trt)

    def configure(self, trt: Any, config: Any) -> None:
        """Sets the options of an ``IBuilderConfig``. Raises ArgumentError for one that TensorRT does not take."""
        if self.optimization_level is not None:
            config.builder_optimization_level = self.optimization_level
            _require_set("optimization_level", self.optimization_level, config.builder_optimization_level)
        if self.workspace is not None:
            pool = trt.MemoryPoolType.WORKSPACE
            config.set_memory_pool_limit(pool, self.workspace)
            _require_set("workspace", self.workspace, config.get_memory_pool_limit(pool))
        for flag, wanted in (
            (trt.BuilderFlag.TF32, self.tf32),
            (trt.BuilderFlag.SPARSE_WEIGHTS, self.sparsity),
            (trt.BuilderFlag.REFIT_INDIVIDUAL, self.refittable),
        ):
            (config.set_flag if wanted else config.clear_flag)(flag)
        capabilities = self._find_capabilities(trt)
        if capabilities and hasattr(config, "num_compute_capabilities") and hasattr(config, "set_compute_capability"):
            config.num_compute_capabilities = len(capabilities)
            for index, (name, capability) in enumerate(capabilities.items()):
                if not config.set_compute_capability(capability, index):
                    raise ArgumentError("compute_capabilities", problem=f"TensorRT refuses {name!r} here")

    def _find_capabilities(self, trt: Any) -> dict[str, Any]:
        """The library's values by their names, each once."""
        if not self.compute_capabilities:
            return {}
        known = _known_capabilities(getattr(trt, "ComputeCapability", None))
        for name in self.compute_capabilities:
            if name not in known:
                raise ArgumentError("compute_capabilities", expected=f"some of {', '.join(known)}", got=repr(name))
        if CURRENT in self.compute_capabilities and len(set(self.compute_capabilities)) > 1:
            raise ArgumentError(
                "compute_capabilities",
                expected='"current" alone, or others',
                got=", ".join(self.compute_capabilities),
                remedy="name this machine's GPU by its number too",
            )
        return {name: known[name] for name in self.compute_capabilities}


def _known_capabilities(enumeration: Any) -> dict[str, Any]:
    """The compute capabilities of a library by the names that NVIDIA lists them under: "8.6" for SM86."""
    found = {}
    for name, value in enumeration.__members__.items():
        numbers = re.fullmatch(r"SM(\d+)(\d)", name)
        if numbers:
            found[".".join(numbers.groups())] = value
        elif name == "CURRENT":
            found[CURRENT] = value
    return found


def _require_set(name: str, wanted: Any, got: Any) -> None:
    if got != wanted:
        raise ArgumentError(name, problem=f"TensorRT keeps {got} when it is set to {wanted}")
