"""Every kernel compiled by NVRTC or Triton and run on a GPU, against the decomposition in float64."""

from __future__ import annotations

import importlib.util

import attrs
import numpy as np
import pytest
from custom_ops.bias_swish import BiasSwish

from custom_kernels import bindings, quick_standin
from custom_kernels.cases import cases
from custom_kernels.ops import SCALE_KERNEL, RowSums, Scale
from trtnn.backends.tensorrt.plugins.quick import QuickPlugins
from trtnn.backends.tensorrt.plugins.runtime import SitePlugin
from trtnn.backends.tensorrt.plugins.site import Site
from trtnn.custom.comparing import check
from trtnn.custom.definition import custom_of
from trtnn.custom.exact import decompose_float64
from trtnn.custom.kernels import CudaKernel, TritonKernel, int32, size
from trtnn.custom.kernels.checking import run_kernel
from trtnn.custom.kernels.launching import launch, prepare
from trtnn.errors import InputError, KernelError
from trtnn.gpu import library
from trtnn.graph import DType, TensorType

if not library.available():
    pytest.skip(f"these tests run kernels: {library.why_not()}", allow_module_level=True)
torch = pytest.importorskip("torch")
TOLERANCE = {"float32": 3e-6, "float16": 1e-3}  # relative to the largest magnitude of the result
CASES = list(cases())
FLOATS = (TensorType(DType.float32, (3,)),)


@pytest.mark.parametrize(("kernel", "op", "operands"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_kernel_is_its_decomposition(kernel, op, operands):
    if not custom_of(op).has_decomposition:
        np.testing.assert_array_equal(run_kernel(kernel, custom_of(op), *operands), op.reference(*operands)[None])
        return
    (expected,) = decompose_float64(custom_of(op), *operands)
    (got,) = run_kernel(kernel, custom_of(op), *operands)
    assert got.shape == expected.shape and got.dtype == operands[0].dtype
    scale = np.abs(expected).max(initial=1e-30)
    assert np.abs(got - expected).max(initial=0) <= TOLERANCE[got.dtype.name] * scale


def test_extreme_values_keep_their_limits():
    x = np.array([[-1e30, -200.0, -0.0, 0.0, 200.0, 1e30, np.inf]], np.float32).repeat(5, 0)
    bias = np.zeros(7, np.float32)
    for kernel in custom_of(BiasSwish()).kernels:
        (got,) = run_kernel(kernel, custom_of(BiasSwish()), x, bias)
        np.testing.assert_array_equal(got[0], [0, 0, 0, 0, 200, np.float32(1e30), np.inf])


def test_check_compares_the_kernels_too():
    x, bias = np.ones((5, 33), np.float32), np.ones(33, np.float32)
    report = check(BiasSwish(beta=0.5), x, bias)
    assert {"CudaKernel bias_swish", "TritonKernel bias_swish"} <= {row.form for row in report.rows}


def test_torch_tensors_on_a_stream_of_their_own():
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        x = torch.randn(33, 65, device="cuda").half()
        scaled = launch(Scale(factor=3.0), x)
        again = launch(Scale(factor=3.0), scaled, stream=stream)
    stream.synchronize()
    assert isinstance(again, torch.Tensor)
    torch.testing.assert_close(again, 3 * (3 * x))


def test_the_caller_waits_for_nothing_and_gets_the_right_order():
    x = torch.randn(2048, 2048, device="cuda")
    y = x
    for _ in range(50):
        y = launch(Scale(factor=1.0), y @ torch.eye(2048, device="cuda"))
    torch.testing.assert_close(y, x, rtol=1e-2, atol=1e-2)


def test_a_slice_that_vectors_cannot_be_loaded_from():
    x = torch.ones(100, device="cuda")[1:]
    with pytest.raises(InputError, match="kernel_tests::scale: x: expected an array whose address is a multiple of"):
        launch(Scale(), x)


def test_an_array_that_is_not_on_the_gpu():
    with pytest.raises(InputError, match=r"kernel_tests::scale: x: expected an array on GPU 0, got ndarray"):
        launch(Scale(), np.ones(3, np.float32))


def test_a_data_type_without_a_variant():
    with pytest.raises(KernelError, match="expected a kernel for int32 that gives int32, got CudaKernel scale"):
        launch(Scale(), torch.ones(3, device="cuda", dtype=torch.int32))


def kernel_of(body: str, **changes) -> CudaKernel:
    source = f'extern "C" __global__ void broken(const float* x, int count, float* y) {{\n{body}\n}}'
    options = {"grid": 1, "arguments": lambda op, x: (int32(size(x)),), "dtypes": ("float32",)}
    return CudaKernel(source=source, entry="broken", **(options | changes))


def test_cuda_that_does_not_compile_shows_the_log(tmp_path):
    with pytest.raises(KernelError) as caught:
        kernel_of("y[0] = z;").compile(Scale(), FLOATS, FLOATS, "90")
    assert 'CudaKernel broken: does not compile:\nbroken.cu(2): error: identifier "z" is undefined' in str(caught.value)


def test_cuda_that_does_not_compile_shows_the_users_line():
    kernel = CudaKernel(
        source="""
        extern "C" __global__ void planted(const float* x, float* y) {
            y[0] = missing;
        }
        """,
        entry="planted",
        grid=1,
        dtypes=("float32",),
    )
    with pytest.raises(KernelError) as caught:
        kernel.compile(Scale(), FLOATS, FLOATS, "90")
    assert caught.value.line.file == __file__ and caught.value.line.code == "y[0] = missing;"


def test_a_file_that_does_not_compile(tmp_path):
    path = tmp_path / "kernel.cu"
    path.write_text("// first line\nint x = ;\n")
    with pytest.raises(KernelError) as caught:
        CudaKernel(source=path, entry="k", grid=1, dtypes=("float32",)).compile(Scale(), FLOATS, FLOATS, "90")
    assert (caught.value.line.file, caught.value.line.line) == (str(path), 2)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arguments": ()}, r"expected a function of 2 parameters: .*, got broken with 3 of 8, 4, 8 bytes"),
        ({"workspace": 64}, r"expected a function of 4 parameters: .* workspace \(8 B\), got broken with 3"),
        ({"options": {"no_such": 1}}, "options: cuda-core does not take them: .*no_such"),
    ],
)
def test_a_function_that_takes_something_else(changes, text):
    with pytest.raises(KernelError, match=text):
        kernel_of("y[0] = x[0];", **changes).compile(Scale(), FLOATS, FLOATS, "90")


def test_an_entry_that_is_not_there():
    kernel = attrs.evolve(kernel_of(""), entry="other")
    with pytest.raises(KernelError, match="expected a function other that can be launched, got broken; declare it ext"):
        kernel.compile(Scale(), FLOATS, FLOATS, "90")


def test_compiled_kernels_are_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel_of("y[0] = 17.25f;").compile(Scale(), FLOATS, FLOATS, "90")
    files = sorted(path.suffix for path in (tmp_path / "trtnn" / "kernels").iterdir())
    assert files == [".cubin", ".ptx"]


class TestTriton:
    @pytest.fixture
    def functions(self, tmp_path):
        path = tmp_path / "broken.py"
        path.write_text(
            "import triton\nimport triton.language as tl\n\n\n"
            "@triton.jit\ndef broken(x, count, y, BLOCK: tl.constexpr):\n"
            "    place = tl.arange(0, BLOCK)\n"
            "    tl.store(y + place, missing)\n"
        )
        spec = importlib.util.spec_from_file_location("broken_triton", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return path, module.broken

    def kernel(self, function, **changes):
        options = {
            "grid": 1, "dtypes": ("float32",), "constants": {"BLOCK": 32},
            "arguments": lambda op, x: (int32(size(x)),),
        }  # fmt: skip
        return TritonKernel(function=function, **(options | changes))

    def test_a_function_that_does_not_compile(self, functions):
        path, function = functions
        with pytest.raises(KernelError, match="TritonKernel broken: does not compile:\n") as caught:
            self.kernel(function).compile(Scale(), FLOATS, FLOATS, "90")
        line = caught.value.line
        assert (line.file, line.code) == (str(path), "tl.store(y + place, missing)")
        assert "missing is not defined" in str(caught.value)

    @pytest.mark.parametrize("changes", [{"arguments": ()}, {"constants": {"OTHER": 1}}, {"constants": {}}])
    def test_other_parameters(self, functions, changes):
        with pytest.raises(KernelError, match=r"expected \d parameters .*, got \(x, count, y, BLOCK\); pointers to"):
            self.kernel(functions[1], **changes).compile(Scale(), FLOATS, FLOATS, "90")


def test_a_plugin_that_runs_in_python_launches_its_kernel():
    trt = bindings.make()
    x = torch.randn(13, 77, device="cuda")
    y = torch.zeros(13, device="cuda")
    site = Site(custom_of(RowSums(factor=2.0)), (TensorType(DType.float32, (13, 77)),))
    plugin = SitePlugin(trt, site.to_text())
    described = trt.DynamicPluginTensorDesc(trt.PluginTensorDesc((13, 77)), max=(13, 77))
    scratch = torch.zeros(plugin.get_workspace_size([described], []), dtype=torch.uint8, device="cuda")
    plugin.set_tactic(1)
    stream = torch.cuda.current_stream().cuda_stream
    plugin.enqueue([described.desc], [], [x.data_ptr()], [y.data_ptr()], scratch.data_ptr(), stream)
    torch.testing.assert_close(y, 2 * x.sum(1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("tactic", [1, 2])
def test_what_a_plan_would_hold_runs_without_python(tactic):
    """The PTX, the launch and the numbers that TensorRT is given, launched as it would: operands, numbers, results."""
    plugin, trt = quick_standin.make(), bindings.make()
    x, bias = torch.randn(50, 33, device="cuda"), torch.randn(33, device="cuda")
    y = torch.zeros_like(x)
    site = Site(custom_of(BiasSwish(beta=1.5)), tuple(TensorType(DType.float32, tuple(t.shape)) for t in (x, bias)))
    made, _, fields = QuickPlugins(trt, plugin).create(site, [x, bias])()
    inputs = [plugin.TensorDesc([plugin.ShapeExpr(n) for n in t.shape], trt.DataType.FLOAT) for t in (x, bias)]
    outputs = made.describe(*inputs, **fields)
    name, ptx, params, numbers = made.implement(*inputs, fields["site"], outputs, tactic)
    core = library.load().core
    library.device()
    try:
        kernel = core.ObjectCode.from_ptx(ptx.encode()).get_kernel(name)
    except Exception as error:
        pytest.skip(f"the driver does not take the installed NVRTC's PTX: {error}")
    config = core.LaunchConfig(
        grid=tuple(getattr(params, f"grid_{axis}").size for axis in "xyz"),
        block=tuple(getattr(params, f"block_{axis}").size for axis in "xyz"),
        shmem_size=params.shared_mem.size,
    )
    stream = core.Device().create_stream()
    torch.cuda.synchronize()
    scalars = [np.int32(one.size) for one in numbers]
    core.launch(stream, config, kernel, x.data_ptr(), bias.data_ptr(), *scalars, y.data_ptr())
    stream.sync()
    z = x + bias
    torch.testing.assert_close(y, z * torch.sigmoid(1.5 * z), rtol=1e-5, atol=1e-5)


def test_kernels_are_prepared_once():
    op, types = custom_of(Scale(factor=5.0)), (TensorType(DType.float32, (3,)),)
    assert prepare(SCALE_KERNEL, op, types) is prepare(SCALE_KERNEL, custom_of(Scale(factor=5.0)), types)
