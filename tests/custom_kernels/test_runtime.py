"""Custom ops as plugins that run in Python: on the stand-in, and with TensorRT-RTX's own classes and registry."""

from __future__ import annotations

import attrs
import pytest

import trtnn
from custom_kernels import bindings, quick_standin
from custom_kernels.ops import Pairs, Requantize, RowSums, Scale
from trtnn.backends.tensorrt import load
from trtnn.backends.tensorrt.plugins import emit as plugin_emit
from trtnn.backends.tensorrt.plugins import quick, runtime
from trtnn.backends.tensorrt.plugins.runtime import SitePlugin, plugin_class, register_creator
from trtnn.backends.tensorrt.plugins.site import Site
from trtnn.custom.definition import custom_of
from trtnn.errors import DimError, KernelError
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

BATCH, WIDTH = symbol("batch"), symbol("width")
ROWS = Site(custom_of(RowSums(factor=2.0)), (TensorType(DType.float16, (BATCH, 33)),))
PAIRS = Site(custom_of(Pairs()), (TensorType(DType.float32, (BATCH, WIDTH)),))


@pytest.fixture
def trt():
    return bindings.make()


def described(trt, dims, kind="FLOAT", layout="LINEAR", most=()):
    desc = trt.PluginTensorDesc(dims, trt.DataType[kind], trt.TensorFormat[layout])
    return trt.DynamicPluginTensorDesc(desc, max=most)


def test_results_follow_from_the_operands(trt):
    plugin = SitePlugin(trt, PAIRS.to_text())
    sizes = trt.DimsExprs([bindings.IDimensionExpr(size) for size in (BATCH, WIDTH)])
    found = plugin.get_output_shapes([sizes], [], trt.IExprBuilder())
    assert [[one.value for one in shape] for shape in found] == [[BATCH, WIDTH // 2], [BATCH, 2 * WIDTH - 1]]
    assert plugin.num_outputs == 2
    assert plugin.get_output_data_types([trt.DataType.FLOAT]) == [trt.DataType.FLOAT] * 2


def test_only_the_networks_own_types_in_c_order_are_supported(trt):
    plugin = SitePlugin(trt, ROWS.to_text())
    for position in (0, 1):
        for kind, layout, fits in (("HALF", "LINEAR", True), ("FLOAT", "LINEAR", False), ("HALF", "HWC", False)):
            assert plugin.supports_format_combination(position, [described(trt, (), kind, layout)] * 2, 1) is fits


def test_the_workspace_is_that_of_the_largest_shapes(trt):
    plugin = SitePlugin(trt, ROWS.to_text())
    assert plugin.get_workspace_size([described(trt, (-1, 33), most=(50, 33))], []) == 50 * 32 * 4
    assert plugin.get_valid_tactics() == [1]


@pytest.mark.parametrize("tactic", [0, 1])
def test_a_launch_gets_tensorrts_addresses_and_shapes(trt, monkeypatch, tactic):
    calls = []
    monkeypatch.setattr(runtime, "_enqueue", lambda *arguments: calls.append(arguments))
    plugin = SitePlugin(trt, ROWS.to_text())
    plugin.set_tactic(tactic)
    plugin.enqueue([described(trt, (7, 33)).desc], [], [16], [32], 48, 64)
    ((kernel, op, types, addresses, stream),) = calls
    assert kernel is custom_of(op).kernels[0] and types == (TensorType(DType.float16, (7, 33)),)
    assert (addresses, stream) == (([16], [32], 48), 64)


def test_a_clone_has_the_tactic(trt):
    plugin = plugin_class(trt)(ROWS.to_text())
    plugin.set_tactic(1)
    copied = plugin.attach_to_context(None)
    assert copied._tactic == 1 and copied._site == ROWS and copied is not plugin


class TestRtx:
    """Real classes of TensorRT's bindings as bases, and its real registry."""

    @pytest.fixture
    def rtx(self):
        return pytest.importorskip("tensorrt_rtx")

    def test_the_registry_has_the_creator_and_it_makes_the_plugin_from_what_a_plan_keeps(self, rtx):
        register_creator(rtx)
        creator = rtx.get_plugin_registry().get_creator(runtime.NAME, runtime.VERSION, runtime.NAMESPACE)
        assert [field.name for field in creator.field_names] == ["site"]
        plugin = plugin_class(rtx)(ROWS.to_text())
        again = creator.create_plugin("", plugin.get_fields_to_serialize(), rtx.TensorRTPhase.RUNTIME)
        assert isinstance(again, rtx.IPluginV3) and again._site == ROWS
        assert (again.plugin_name, again.plugin_version, again.plugin_namespace) == ("CustomOp", "1", "trtnn")
        assert again.get_capability_interface(rtx.PluginCapabilityType.BUILD) is again
        assert again.get_output_data_types([rtx.float16]) == [rtx.float16]

    def test_a_plan_with_custom_ops_finds_the_creator_when_it_is_loaded(self, rtx, monkeypatch):
        found = []
        monkeypatch.setattr(runtime, "register_creator", found.append)
        load.register_plugins("tensorrt-rtx")
        assert found == []  # TensorRT-RTX has no plugins, and so no plan with any
        monkeypatch.setattr(rtx.INetworkDefinition, "add_plugin_v3", None, raising=False)
        load.register_plugins("tensorrt-rtx")
        assert found == [rtx]

    def test_every_member_is_one_that_the_bindings_have(self, rtx):
        bases = (rtx.IPluginV3, rtx.IPluginV3OneCore, rtx.IPluginV3OneBuild, rtx.IPluginV3OneRuntime)
        ours = {name for name in vars(SitePlugin) if not name.startswith("_")}
        assert ours <= {name for base in bases for name in dir(base)}


class Network(trtnn.Module):
    def __init__(self, op) -> None:
        self.op = op

    def forward(self, x=trtnn.Input(trtnn.Dim("batch", max=9), 33)):
        return self.op(x) * 2.0


class TestEmission:
    """A network built with TensorRT-RTX, whose add_plugin methods are ours."""

    @pytest.fixture
    def added(self, monkeypatch):
        rtx = pytest.importorskip("tensorrt_rtx")
        found = []

        def add(network, *arguments):
            found.append(arguments)
            return network.add_identity(arguments[0][0])

        monkeypatch.setattr(rtx.INetworkDefinition, "add_plugin_v3", add, raising=False)
        monkeypatch.setattr(quick, "compiled_for_gpu", lambda kernel, site: None)
        monkeypatch.setattr(plugin_emit, "quick_plugins", lambda trt: None)
        return found

    def test_a_kernel_becomes_a_plugin(self, added):
        engine = Network(Scale(factor=0.5)).compile(target="tensorrt-rtx")
        ((inputs, shape_inputs, plugin),) = added
        assert [one.name for one in inputs] == ["x"] and shape_inputs == []
        assert plugin._site.op.options.factor == 0.5
        assert plugin._site.inputs == (TensorType(DType.float32, (BATCH, 33)),)
        assert "scale" in {node.op.name for node in engine.network.nodes.values()}

    def test_a_kernel_that_tensorrt_can_launch_is_compiled_into_the_plan(self, added, monkeypatch):
        rtx = pytest.importorskip("tensorrt_rtx")
        compiled = []

        def add_plugin(network, create, aot):
            _, tensors, attributes = create()
            added.append((tensors, attributes["site"], aot))
            return network.add_identity(tensors[0])

        monkeypatch.setattr(rtx.INetworkDefinition, "add_plugin", add_plugin, raising=False)
        monkeypatch.setattr(plugin_emit, "quick_plugins", lambda trt: quick.QuickPlugins(trt, quick_standin.make()))
        monkeypatch.setattr(quick, "compiled_for_gpu", lambda kernel, site: compiled.append(kernel.name))
        Network(Scale(factor=0.5)).compile(target="tensorrt-rtx")
        ((tensors, site, aot),) = added
        assert [one.name for one in tensors] == ["x"] and aot is True
        assert Site.from_text(site).op.options.factor == 0.5 and compiled == ["CudaKernel scale"]

    def test_an_argument_that_does_not_fit_at_the_end_of_a_range(self, added):
        """Scale's one argument is the number of elements, in 32 bits; in the plan it would wrap around."""

        class Wide(trtnn.Module):
            def __init__(self) -> None:
                self.inner = Network(Scale())

            def forward(self, x=trtnn.Input("batch", 2**15, "width")):
                return self.inner(x)

        dims = {"batch": (1, 2, 2**15), "width": 2}
        told = (
            r"(?s)^inner: CudaKernel scale: arguments: kernel argument: expected a number that int32 can hold, "
            r"got 2147483648; use int64.*self\.op\(x\)"
        )
        with pytest.raises(DimError, match=told):
            Wide().compile(target="tensorrt-rtx", dims=dims)
        assert added

    def test_a_grid_that_does_not_fit_at_the_end_of_a_range(self, added, monkeypatch):
        monkeypatch.setattr(Scale, "kernels", (attrs.evolve(Scale.kernels[0], grid=lambda op, x: (1, x.shape[0])),))
        with pytest.raises(KernelError, match=r"^CudaKernel scale: grid: expected at most .* got \(1, 70000, 1\)"):
            Network(Scale()).compile(target="tensorrt-rtx", dims={"batch": (1, 2, 70_000)})

    def test_only_plugins_in_python_need_the_definition_where_the_plan_is_loaded(self, added, monkeypatch):
        engine = Network(Scale()).compile(target="tensorrt-rtx")
        assert engine.custom_ops == {"kernel_tests::scale": "custom_kernels.ops.Scale"}
        monkeypatch.setattr(plugin_emit, "quick_plugins", lambda trt: quick.QuickPlugins(trt, quick_standin.make()))
        assert engine.custom_ops == {}

    def test_without_plugins_the_decomposition_is_emitted(self):
        pytest.importorskip("tensorrt_rtx")
        engine = Network(Scale(factor=0.5)).compile(target="tensorrt-rtx")
        assert "scale" not in {node.op.name for node in engine.network.nodes.values()}

    def test_a_missing_variant_without_a_decomposition(self, added):
        class Half(trtnn.Module):
            def forward(self, x=trtnn.Input(3, 4, dtype="int8"), scale=trtnn.Input(1, dtype="float32")):
                return Requantize()(x.cast("int32"), scale)

        told = r"(?s)a kernel for int32, float32 that gives int32, got CudaKernel requantize: .*return Requ"
        with pytest.raises(KernelError, match=told):
            Half().compile(target="tensorrt-rtx")

    def test_a_kernel_that_does_not_compile_has_the_modules_path(self, added, monkeypatch):
        def refuse(kernel, site):
            raise KernelError(kernel.name, problem="does not compile")

        monkeypatch.setattr(quick, "compiled_for_gpu", refuse)

        class Outer(trtnn.Module):
            def __init__(self) -> None:
                self.inner = Network(Scale())

            def forward(self, x=trtnn.Input(trtnn.Dim("batch", max=9), 33)):
                return self.inner(x)

        with pytest.raises(KernelError, match=r"(?s)^inner: CudaKernel scale: does not compile.*self\.op\(x\)"):
            Outer().compile(target="tensorrt-rtx")
