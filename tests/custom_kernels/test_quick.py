"""Custom ops as plugins that are compiled ahead of time: our functions, called as TensorRT calls them.

On the stand-in of ``tensorrt.plugin``, and on NVIDIA's own Python files where they are installed: those check our
functions' signatures and results themselves.
"""

from __future__ import annotations

import types

import pytest
from custom_ops.bias_swish import BiasSwish
from custom_ops.deformable_conv import DeformableConv

import trtnn
from custom_kernels import bindings, quick_standin
from custom_kernels.ops import Pairs, RowSums, Scale
from trtnn.backends.tensorrt.plugins import quick
from trtnn.backends.tensorrt.plugins.quick import QuickPlugins, candidates
from trtnn.backends.tensorrt.plugins.site import DATA_TYPES, Site
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import Compiled
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

BATCH, WIDTH = symbol("batch"), symbol("width")


def site(op, *inputs):
    return Site(custom_of(op), inputs)


SCALE_SITE = site(Scale(factor=0.5), TensorType(DType.float16, (BATCH, WIDTH, 3)))
EXAMPLES = {
    "bias_swish": (
        site(BiasSwish(beta=2.0), TensorType(DType.float16, (BATCH, WIDTH, 33)), TensorType(DType.float16, (33,))),
        {"batch": 3, "width": 5},
    ),
    "deformable_conv": (
        site(
            DeformableConv(stride=2),
            TensorType(DType.float32, (BATCH, WIDTH, 9, 4)),
            TensorType(DType.float32, (BATCH, (WIDTH + 1) // 2, 5, 18)),
            TensorType(DType.float32, (BATCH, (WIDTH + 1) // 2, 5, 9)),
            TensorType(DType.float32, (3, 3, 4, 8)),
        ),
        {"batch": 3, "width": 7},
    ),
}
PAIRS_SITE = site(Pairs(), TensorType(DType.float32, (BATCH, WIDTH)))


@pytest.fixture(autouse=True)
def compiler(monkeypatch):
    """NVRTC's part: the kernel's entry and something like PTX."""
    monkeypatch.setattr(quick, "compiled_for_gpu", lambda kernel, site: Compiled(kernel.entry, "// ptx", None))


@pytest.fixture
def trt():
    return bindings.make()


def sizes_of(expressions):
    return tuple(getattr(one, "size", None) for one in expressions)


class TestStandin:
    @pytest.fixture
    def plugin(self):
        return quick_standin.make()

    def describe(self, plugin, trt, site, shapes, fake=False):
        made, _, attributes = QuickPlugins(trt, plugin).create(site, ["tensor"] * len(site.inputs))()
        inputs = [
            plugin.TensorDesc([plugin.ShapeExpr(None if fake else size) for size in shape], trt.DataType.FLOAT)
            for shape in shapes
        ]
        return made, inputs, attributes, made.describe(*inputs, **attributes)

    def test_results_follow_from_the_operands(self, plugin, trt):
        *_, (halves, doubles) = self.describe(plugin, trt, PAIRS_SITE, [(BATCH, WIDTH)])
        assert sizes_of(halves.shape_expr) == (BATCH, WIDTH // 2)
        assert sizes_of(doubles.shape_expr) == (BATCH, 2 * WIDTH - 1)
        assert halves.dtype is trt.DataType.FLOAT

    def test_results_for_known_sizes(self, plugin, trt):
        *_, (halves, doubles) = self.describe(plugin, trt, PAIRS_SITE, [(4, 9)])
        assert sizes_of(halves.shape_expr) == (4, 4) and sizes_of(doubles.shape_expr) == (4, 17)

    def test_fake_sizes_give_fake_sizes(self, plugin, trt):
        *_, (scaled,) = self.describe(plugin, trt, SCALE_SITE, [(BATCH, WIDTH, 3)], fake=True)
        assert all(one.is_fake for one in scaled.shape_expr) and len(scaled.shape_expr) == 3
        assert scaled.dtype is trt.DataType.HALF

    def test_every_kernel_is_a_tactic(self, plugin, trt):
        made, inputs, attributes, outputs = self.describe(plugin, trt, SCALE_SITE, [(BATCH, WIDTH, 3)])
        (choice,) = made.choose(*inputs, attributes["site"], outputs)
        assert (choice.io_types, choice.layouts, choice.tactics) == ("FP16, FP16", "LINEAR", [1])

    @pytest.mark.parametrize("tactic", [0, 1])
    def test_the_launch_in_terms_of_the_operands_sizes(self, plugin, trt, tactic):
        made, inputs, attributes, outputs = self.describe(plugin, trt, SCALE_SITE, [(BATCH, WIDTH, 3)])
        name, ptx, launch, numbers = made.implement(*inputs, attributes["site"], outputs, tactic)
        assert (name, ptx) == ("scale", "// ptx")
        assert launch.grid_x.size == (3 * BATCH * WIDTH + 255) // 256
        assert (launch.grid_y.size, launch.block_x.size, launch.shared_mem.size) == (1, 256, 0)
        assert sizes_of(numbers) == (3 * BATCH * WIDTH,)

    def test_a_plugin_is_registered_once(self, plugin, trt):
        plugins = QuickPlugins(trt, plugin)
        first, *_ = plugins.create(SCALE_SITE, ["x"])()
        second, _, attributes = plugins.create(site(Scale(factor=9.0), *SCALE_SITE.inputs), ["x"])()
        assert first is second and '"factor": 9.0' in attributes["site"]


class TestNvidia:
    """The same through NVIDIA's plugin classes, in the order of a build."""

    @pytest.fixture
    def plugin(self, trt, monkeypatch):
        return bindings.nvidia_plugin(trt, monkeypatch)

    def kind(self, trt, type):
        return trt.DataType[quick.DATA_TYPES[type.dtype]]

    def built(self, plugin, trt, site, shapes, ahead=True):
        tensors = [trt.ITensor() for _ in site.inputs]
        inputs, shape_inputs, made = QuickPlugins(trt, plugin).create(site, tensors)(
            trt.QuickPluginCreationRequest.STRICT_AOT
        )
        assert inputs == tensors and not shape_inputs
        kinds = [self.kind(trt, one) for one in site.inputs]
        assert made.get_output_data_types(kinds, [one.rank for one in site.inputs]) == [
            self.kind(trt, one) for one in site.outputs
        ]
        expressions = [trt.DimsExprs([bindings.IDimensionExpr(size) for size in shape]) for shape in shapes]
        results = made.get_output_shapes(expressions, [], trt.IExprBuilder())
        return made, expressions, kinds, [tuple(one.value for one in shape) for shape in results]

    def test_results_follow_from_the_operands(self, plugin, trt):
        *_, shapes = self.built(plugin, trt, PAIRS_SITE, [(BATCH, WIDTH)])
        assert shapes == [(BATCH, WIDTH // 2), (BATCH, 2 * WIDTH - 1)]

    def test_types_tactics_and_launch(self, plugin, trt):
        made, expressions, (kind,), shapes = self.built(plugin, trt, SCALE_SITE, [(BATCH, WIDTH, 3)])
        assert shapes == [(BATCH, WIDTH, 3)]
        described = [
            trt.DynamicPluginTensorDesc(trt.PluginTensorDesc((-1, -1, 3), kind, trt.TensorFormat.LINEAR))
            for _ in range(2)
        ]
        combinations = made.get_supported_format_combinations(described, 1)
        assert [(one.type, one.format) for one in combinations] == [(kind, trt.TensorFormat.LINEAR)] * 2
        made.configure_plugin(described[:1], described[1:])
        assert made.get_valid_tactics() == [1]
        made.set_tactic(1)
        launch, numbers = types.SimpleNamespace(), Numbers()
        made.get_launch_params(expressions, described, 1, launch, numbers, trt.IExprBuilder())
        assert launch.grid_x.expr.value == (3 * BATCH * WIDTH + 255) // 256
        assert (launch.block_x.expr.value, launch.shared_mem.expr.value) == (256, 0)
        assert numbers.nbSymExprs == 1 and numbers[0].expr.value == 3 * BATCH * WIDTH
        assert numbers[0].dtype is trt.PluginArgDataType.INT32
        assert made.get_kernel([one.desc for one in described[:1]], [one.desc for one in described[1:]]) == (
            "scale",
            b"// ptx",
        )

    @pytest.mark.parametrize("dtype", DATA_TYPES)
    def test_every_data_type_has_its_name(self, plugin, trt, dtype):
        kernel = trtnn.CudaKernel(source="", entry="typed", grid=1, dtypes=tuple(DATA_TYPES))
        members = {"infer": lambda self, x: x, "kernels": (kernel,)}
        floats = ("float32", "float16", "bfloat16")
        op = trtnn.custom_op("kernel_tests::typed", dtypes=floats)(type("Typed", (), members))()
        typed = site(op, TensorType(dtype, (BATCH, 3)))
        made, *_ = self.built(plugin, trt, typed, [(BATCH, 3)])
        kind = self.kind(trt, typed.inputs[0])
        described = [
            trt.DynamicPluginTensorDesc(trt.PluginTensorDesc((-1, 3), kind, trt.TensorFormat.LINEAR)) for _ in range(2)
        ]
        assert [one.type for one in made.get_supported_format_combinations(described, 1)] == [kind, kind]

    @pytest.mark.parametrize("name", ["bias_swish", "deformable_conv"])
    def test_the_examples(self, plugin, trt, name):
        """Shapes, launch and arguments in NVIDIA's expressions, with numbers for the dims, are those of known sizes."""
        site, dims = EXAMPLES[name]
        made, expressions, kinds, shapes = self.built(plugin, trt, site, [one.shape for one in site.inputs])
        assert shapes == [one.shape for one in site.outputs]
        described = [
            trt.DynamicPluginTensorDesc(
                trt.PluginTensorDesc((-1,) * one.rank, self.kind(trt, one), trt.TensorFormat.LINEAR)
            )
            for one in (*site.inputs, *site.outputs)
        ]
        made.get_supported_format_combinations(described, len(kinds))
        made.configure_plugin(described[: len(kinds)], described[len(kinds) :])
        known = [TensorType(one.dtype, one.concrete(dims)) for one in site.inputs]
        for tactic, kernel in enumerate(candidates(site), 1):
            made.set_tactic(tactic)
            launch, numbers = types.SimpleNamespace(), Numbers()
            made.get_launch_params(expressions, described, len(kinds), launch, numbers, trt.IExprBuilder())
            wanted = kernel.launch_of(site.op.options, known)
            for part in ("grid", "block"):
                found = [getattr(launch, f"{part}_{axis}").expr for axis in "xyz"]
                assert tuple(bindings.value_of(one, **dims) for one in found) == getattr(wanted, part)
            assert bindings.value_of(launch.shared_mem.expr, **dims) == wanted.shared
            assert [bindings.value_of(numbers[i].expr, **dims) for i in range(numbers.nbSymExprs)] == [
                one.value for one in wanted.scalars
            ]


class Numbers(dict):
    nbSymExprs = 0  # noqa: N815  # TensorRT's name


def test_only_kernels_that_tensorrt_can_launch_by_itself_are_candidates():
    rows = site(RowSums(), TensorType(DType.float32, (BATCH, 33)))
    assert len(rows.kernels) == 1 and candidates(rows) == []
    assert candidates(SCALE_SITE) == SCALE_SITE.kernels


def test_a_library_without_tensorrt_plugin_has_none(trt):
    assert quick.module_of(trt) is None
