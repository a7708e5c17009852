"""What kernels say about their launches, for known and for symbolic sizes; and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from custom_ops.bias_swish import BiasSwish
from custom_ops.deformable_conv import DeformableConv

from custom_kernels.ops import ROW_SUMS_KERNEL, SCALE_KERNEL, Pairs, RowSums, Scale
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import CudaKernel, TritonKernel, ceil_div, choose, float32, int32, int64, size
from trtnn.custom.kernels.kernel import as_bytes, as_extent
from trtnn.errors import DimError, KernelError
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

BATCH = symbol("batch")
DYNAMIC = TensorType(DType.float32, (BATCH, 33))
FIXED = TensorType(DType.float32, (100, 33))


def launch(op, *inputs):
    custom = custom_of(op)
    return custom.kernels[0].launch_of(custom.options, inputs)


def test_a_launch_is_the_same_expression_for_symbolic_and_known_sizes():
    dynamic, fixed = launch(Scale(), DYNAMIC), launch(Scale(), FIXED)
    assert str(dynamic.grid[0]) == "(33*batch + 255) // 256"
    assert fixed.grid == (13, 1, 1) and fixed.block == (256, 1, 1)
    assert dynamic.concrete({"batch": 100}) == fixed.concrete({})


def test_scalars_have_their_types():
    found = launch(RowSums(factor=0.1), FIXED).concrete({})
    assert [type(one.numpy) for one in found.scalars] == [np.int64, np.float32]
    assert found.scalars[1].numpy == np.float32(0.1)
    assert found.workspace == 100 * 32 * 4


def test_two_grid_axes_and_two_arguments():
    found = launch(Pairs(), DYNAMIC)
    assert found.grid == (1, BATCH, 1)
    assert [one.value for one in found.scalars] == [BATCH, 16]


def test_an_empty_launch():
    assert launch(Scale(), TensorType(DType.float32, (0, 3))).concrete({}).is_empty


def test_the_compiled_function_takes_inputs_then_arguments_then_outputs_then_workspace():
    results = [TensorType(DType.float16, (3,)), TensorType(DType.int8, (3,))]
    wanted = ROW_SUMS_KERNEL.parameters([FIXED], results, launch(RowSums(), FIXED))
    assert [(one.title, one.bytes) for one in wanted] == [
        ("input 0, a pointer to float32", 8),
        ("argument 0, int64", 8),
        ("argument 1, float32", 4),
        ("output 0, a pointer to float16", 8),
        ("output 1, a pointer to int8", 8),
        ("workspace", 8),
    ]


def test_the_prelude_names_types_and_constants():
    half = TensorType(DType.float16, (3,))
    kernel = CudaKernel(
        source="", entry="k", dtypes=(("float16", "float32"),), grid=1,
        constants={"A": 1, "B": -(2**40), "C": True, "D": 0.1, "E": -1.5},
    )  # fmt: skip
    assert kernel._prelude(None, [half], [FIXED]).splitlines() == [
        "#include <cuda_fp16.h>",
        "using in0_t = __half;",
        "using out0_t = float;",
        "constexpr int A = 1;",
        f"constexpr long long B = {-(2**40)};",
        "constexpr bool C = true;",
        "constexpr float D = 0x1.999999999999ap-4f;",
        "constexpr float E = -0x1.8000000000000p+0f;",
    ]


def test_the_source_keeps_the_users_lines():
    file, line = SCALE_KERNEL._place()
    assert file.endswith("ops.py")
    assert Path(file).read_text(encoding="utf-8").splitlines()[line] == SCALE_KERNEL.source.splitlines()[1]


def test_a_source_from_a_file(tmp_path):
    path = tmp_path / "kernel.cu"
    path.write_text("// a kernel")
    kernel = CudaKernel(source=path, entry="k", dtypes=("float32",), grid=1)
    assert kernel._marked_source() == f'#line 1 "{path}"\n// a kernel'


@pytest.mark.parametrize(
    ("inputs", "outputs", "serves"),
    [(["float16"], ["float16"], True), (["float16"], ["float32"], False), (["int8"], ["int8"], False)],
)
def test_variants(inputs, outputs, serves):
    def types(names):
        return [TensorType(DType(name), (3,)) for name in names]

    assert SCALE_KERNEL.serves(types(inputs), types(outputs)) is serves


@pytest.mark.parametrize(
    ("dtypes", "text"),
    [
        ("floaty", "dtypes: expected one of float32, .* got 'floaty'"),
        ((), "dtypes: expected at least one variant, got none"),
        (("float32", ("float16", 3)), "dtypes: expected one of .* got 3"),
    ],
)
def test_variants_of_no_type(dtypes, text):
    with pytest.raises(KernelError, match=text) as caught:
        kernel_with(dtypes=dtypes)
    assert caught.value.line is not None and caught.value.line.file == __file__


def test_one_variant_needs_no_tuple():
    assert kernel_with(dtypes="float16").dtypes == (DType.float16,)


def test_a_variant_with_a_type_for_each_tensor():
    kernel = CudaKernel(source="", entry="k", dtypes=(("float32", "int8", "float16"), "float32"), grid=1)
    types = [TensorType(DType(name), (3,)) for name in ("float32", "int8", "float16")]
    assert kernel.serves(types[:2], types[2:]) and not kernel.serves(types[:1], types[2:])
    assert kernel.serves(types[:1], types[:1])


def kernel_with(**changes):
    return CudaKernel(**{"source": "", "entry": "k", "dtypes": ("float32",), "grid": 1, **changes})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"grid": lambda op: 1}, r"CudaKernel k: grid: expected a function of the op and 1 input types, got \(op\)"),
        ({"grid": lambda op, x: x.shape[9]}, r"grid: raised IndexError: tuple index out of range \(test_descriptions"),
        ({"grid": lambda op, x: 1 / 0}, r"CudaKernel k: grid: raised ZeroDivisionError: division by zero"),
        ({"arguments": lambda op, x: (int32(2**31),)}, r"^CudaKernel k: arguments: kernel argument: expected a number"),
        ({"grid": "many"}, "CudaKernel k: grid: expected a size, or a tuple of one to three sizes, got 'many'"),
        ({"grid": (1, 1, 1, 1)}, "one to three sizes"),
        ({"block": 1.5}, "CudaKernel k: block: expected a size"),
        ({"workspace": -1}, "CudaKernel k: workspace: expected a number of bytes, got -1"),
        ({"arguments": (3,)}, r"expected a tuple of int32\(...\), int64\(...\) and float32\(...\), got \(3,\)"),
        ({"arguments": lambda op, x: (int32(1.5),)}, "int32: expected an integer or a size, got float 1.5"),
        ({"arguments": lambda op, x: (int32(2**31),)}, "expected a number that int32 can hold, got 2147483648"),
        ({"arguments": lambda op, x: (float32("a"),)}, "float32: expected a number, got str 'a'"),
    ],
)
def test_a_description_that_makes_no_sense(changes, text):
    with pytest.raises((KernelError, DimError), match=text):
        kernel_with(**changes).launch_of(None, [FIXED])


@pytest.mark.parametrize("value", ["silu", (1, 2), float("nan")])
def test_an_attribute_that_cannot_go_to_a_kernel(value):
    with pytest.raises(KernelError, match="CudaKernel k: constant MODE: expected an int, float or bool, which is all"):
        kernel_with(constants=lambda op, x: {"MODE": value}).constants_of(None, [FIXED])


def test_a_constant_needs_the_name_of_a_variable():
    with pytest.raises(KernelError, match="expected the name of a C\\+\\+ variable, got 'a b'"):
        kernel_with(constants={"a b": 1})._prelude(None, [FIXED], [FIXED])


def test_a_missing_variant_says_what_there_is():
    types = [TensorType(DType.int8, (3,))]
    with pytest.raises(KernelError, match=r"kernel_tests::scale: expected a kernel for int8 that gives int8, got "
                       r"CudaKernel scale: float32, float16; add the variant to a kernel's dtypes="):  # fmt: skip
        choose((SCALE_KERNEL,), "kernel_tests::scale", types, types)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"block": 2048}, "^CudaKernel k: block: expected 1 to 1024 threads, got .* 2048 threads"),
        ({"block": (32, 64)}, "2048 threads"),
        ({"grid": (1, 70000)}, "grid: expected at most .* blocks, got"),
        ({"shared": 50_000}, "shared: expected at most 49152 bytes"),
    ],
)
def test_a_launch_that_no_gpu_takes(changes, text):
    with pytest.raises(KernelError, match=text):
        kernel_with(**changes).launch_at(None, [FIXED])


def test_an_argument_that_grows_too_large():
    with pytest.raises(DimError, match="expected a number that int32 can hold, got 3300000000; use int64"):
        launch(Scale(), DYNAMIC).concrete({"batch": 10**8})


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        (BiasSwish(), [(2**20, 2**11), (2**11,)]),
        (DeformableConv(), [(1, 2**15, 2**15, 3), (1, 4, 4, 18), (1, 4, 4, 9), (3, 3, 3, 8)]),
    ],
)
def test_the_examples_refuse_tensors_that_their_indices_cannot_count(op, shapes):
    """Arguments are int32, since TensorRT's plugins that are compiled ahead of time take no others."""
    inputs = [TensorType(DType.float32, shape) for shape in shapes]
    for kernel in custom_of(op).kernels:
        with pytest.raises(DimError, match=r"arguments: kernel argument: expected a number that int32 can hold, got"):
            kernel.launch_at(op, inputs)
        narrow = TensorType(DType.float32, (1, 1, *shapes[0][2:])) if len(shapes[0]) == 4 else inputs[1]
        kernel.launch_at(op, [narrow, *inputs[1:]])


def test_sizes():
    assert size(TensorType(DType.float32, ())) == 1
    assert str(size(DYNAMIC)) == "33*batch"
    assert as_extent("grid", [2, BATCH]) == (2, BATCH, 1)
    assert as_bytes("shared", BATCH) == BATCH
    assert int64(2**40).numpy == np.int64(2**40)
    assert ceil_div(10, 4) == 3


def test_a_triton_kernel_has_32_threads_per_warp():
    kernel = TritonKernel(function=None, num_warps=8, dtypes=("float32",), grid=lambda op, x: ceil_div(size(x), 1024))
    assert kernel.launch_of(None, [FIXED]).block == (256, 1, 1)
