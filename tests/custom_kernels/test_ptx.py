"""Reading PTX as nvcc and Triton write it, and keeping compiled kernels."""

from __future__ import annotations

import pytest

from trtnn.custom.kernels import nvrtc
from trtnn.custom.kernels.cuda import CudaKernel
from trtnn.custom.kernels.ptx import Parameter, entries, keep_parameters, parameters, require_parameters
from trtnn.errors import KernelError
from trtnn.graph import DType, TensorType

NVRTC = """
.version 9.0
.target sm_90
.address_size 64

	// .globl	scale

.visible .entry scale(
	.param .u64 .ptr .align 1 scale_param_0,
	.param .u32 scale_param_1,
	.param .f32 scale_param_2,
	.param .align 8 .b8 scale_param_3[24],
	.param .u64 scale_param_4
)
.maxntid 256
{
	ld.param.u64 	%rd1, [scale_param_0];
	ret;
}
"""
TRITON = """
.visible .entry add(
	.param .u64 .ptr .global .align 1 add_param_0,
	.param .u32 add_param_1,
	.param .u64 .ptr .global .align 1 add_param_2,
	.param .u64 .ptr .global .align 1 add_param_3,
	.param .u64 .ptr .global .align 1 add_param_4
)
.reqntid 128
{
	ld.param.b64 	%rd5, [add_param_0];
	ld.param.b32 	%r5, [add_param_1];
	ld.param.b64 	%rd6, [add_param_2];
	ret;
}
"""


def test_parameters_and_their_sizes():
    assert entries(NVRTC) == ["scale"]
    assert [(one.title, one.bytes) for one in parameters(NVRTC, "scale")] == [
        ("scale_param_0", 8), ("scale_param_1", 4), ("scale_param_2", 4), ("scale_param_3", 24), ("scale_param_4", 8),
    ]  # fmt: skip


def test_the_parameters_that_triton_adds_are_removed():
    kept = keep_parameters(TRITON, "add", 3)
    assert [one.bytes for one in parameters(kept, "add")] == [8, 4, 8]
    assert "add_param_3" not in kept and ".reqntid 128" in kept
    assert keep_parameters(kept, "add", 3) == kept


def test_a_parameter_that_is_used_is_not_removed():
    with pytest.raises(KernelError, match="add: the compiler gave the kernel a parameter of its own, add_param_2, and"):
        keep_parameters(TRITON, "add", 2)


@pytest.mark.parametrize("sizes", [[8, 4, 4, 24], [8, 4, 4, 24, 4], [8, 4, 4, 24, 8, 8], []])
def test_other_parameters_than_wanted(sizes):
    with pytest.raises(
        KernelError, match=rf"expected a function of {len(sizes)} parameters: .*, got scale with 5 of 8"
    ):
        require_parameters("K", NVRTC, "scale", [Parameter("one", size) for size in sizes])


def test_no_such_function():
    with pytest.raises(
        KernelError, match="expected a function other that can be launched, got scale; declare it extern"
    ):
        parameters(NVRTC, "other")


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """A compiler that counts, and a folder of its own for what is kept."""
    calls = []

    def compile(request, form):
        calls.append(form)
        return f"{form} of {request.text}".encode()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(nvrtc, "_compile", compile)
    monkeypatch.setattr(nvrtc, "_compiler_version", lambda: "1")
    nvrtc.compile.cache_clear()
    yield calls
    nvrtc.compile.cache_clear()


def test_what_was_compiled_is_found_in_memory_and_on_disk(compiler):
    request = nvrtc.Request("text", "90")
    assert nvrtc.compile(request, "ptx") == nvrtc.compile(request, "ptx") == b"ptx of text"
    nvrtc.compile.cache_clear()  # as another process
    assert nvrtc.compile(request, "ptx") == b"ptx of text" and compiler == ["ptx"]


def test_what_goes_into_a_kernel_goes_into_its_key(compiler, monkeypatch):
    requests = [nvrtc.Request("a", "90"), nvrtc.Request("b", "90"), nvrtc.Request("a", "80"),
                nvrtc.Request("a", "90", (("ftz", True),))]  # fmt: skip
    keys = {request.key(form) for request in requests for form in ("ptx", "cubin")}
    monkeypatch.setattr(nvrtc, "_compiler_version", lambda: "2")
    assert len(keys | {requests[0].key("ptx")}) == 9


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(compiler, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert nvrtc.compile(nvrtc.Request("text", "90"), "cubin") == b"cubin of text"


def test_the_log_and_the_line_of_a_source_that_is_refused(compiler, monkeypatch, tmp_path):
    path = tmp_path / "kernel.cu"
    path.write_text("first\nsecond line\n")

    def refuse(request, form):
        raise nvrtc.CompilationError(f'{path}(2): error: identifier "z" is undefined\n  second line')

    monkeypatch.setattr(nvrtc, "_compile", refuse)
    kernel = CudaKernel(source=path, entry="k", grid=1, dtypes=("float32",))
    types = (TensorType(DType.float32, (3,)),)
    with pytest.raises(KernelError) as caught:
        kernel.compile(None, types, types, "90")
    assert str(caught.value) == (
        f'CudaKernel k: does not compile:\n{path}(2): error: identifier "z" is undefined\n  second line\n'
        f"  at {path}:2, in k\n    second line"
    )


def test_a_source_that_takes_other_parameters(compiler, monkeypatch):
    monkeypatch.setattr(nvrtc, "_compile", lambda request, form: NVRTC.encode())
    types = (TensorType(DType.float32, (3,)),)
    kernel = CudaKernel(source="", entry="scale", grid=1, dtypes=("float32",))
    with pytest.raises(
        KernelError, match="CudaKernel scale: expected a function of 2 parameters: input 0, a pointer to"
    ):
        kernel.compile(None, types, types, "90")
