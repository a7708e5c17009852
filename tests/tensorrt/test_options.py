"""Options of a build: checked when they are said, set on the builder, kept in files; and the errors they lead to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from emitting import CHOICE, built, emitted, graph_of, random
from hand_network import in_every_listing  # noqa: F401

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.select import require_options
from trtnn.backends.tensorrt.build import build
from trtnn.backends.tensorrt.errors import build_error, find_blame
from trtnn.backends.tensorrt.failures import build_failure
from trtnn.backends.tensorrt.library import Library, load
from trtnn.backends.tensorrt.options import BuildOptions
from trtnn.backends.tensorrt.timing_cache import load_timing_cache, save_timing_cache
from trtnn.errors import ArgumentError, BuildError, UnsupportedError

SQUARE = np.ones((64, 64), np.float32)
X = random(4, 64)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimization_level": 9}, r"optimization_level: expected 0 to 5, got 9; 0 builds the fastest"),
        ({"optimization_level": -1}, r"optimization_level: expected 0 to 5, got -1"),
        ({"optimization_level": True}, r"optimization_level: expected 0 to 5, got True"),
        ({"workspace": 0}, r"workspace: expected a positive number of bytes, got 0; 1 << 30 is a gibibyte"),
        ({"workspace": 1 << 63}, r"workspace: expected a positive number of bytes, got 9223372036854775808"),
        ({"workspace": "1G"}, r"workspace: expected a positive number of bytes, got '1G'"),
        ({"tf32": 1}, r"tf32: expected True or False, got 1"),
        ({"sparsity": "yes"}, r"sparsity: expected True or False, got 'yes'"),
        ({"timing_cache": 3}, r"timing_cache: expected a path, got 3"),
        ({"compute_capabilities": 8.6}, r'compute_capabilities: expected a list of texts such as \["8.6", "8.9"\]'),
        ({"compute_capabilities": [8.6]}, r"compute_capabilities: expected a list of texts .*got \[8.6\]"),
        (
            {"compute_capabilities": ["9.0"]},
            r"compute_capabilities: expected some of current, 7\.5, 8\.0, 8\.6, 8\.9, 12\.0, .*got '9\.0'",
        ),
        ({"compute_capabilities": ["current", "8.6"]}, r'expected "current" alone, or others, got current, 8\.6'),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        built(F.exp, random(2, 3), **options)


def test_every_option_is_known_to_compile() -> None:
    names = ["optimization_level", "workspace", "tf32", "sparsity", "timing_cache", "compute_capabilities", "progress"]
    require_options(CHOICE, names)


def config_of(**options: Any) -> tuple[Any, Any]:
    trt = load("tensorrt-rtx").trt
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    config = builder.create_builder_config()
    BuildOptions(**options).configure(trt, config)
    return trt, config


@pytest.mark.parametrize("wanted", [True, False])
def test_flags_are_set_and_cleared(wanted: bool) -> None:
    trt, config = config_of(tf32=wanted, sparsity=wanted)
    assert config.get_flag(trt.BuilderFlag.TF32) is wanted
    assert config.get_flag(trt.BuilderFlag.SPARSE_WEIGHTS) is wanted


def test_float32_means_float32_unless_tf32_is_asked_for() -> None:
    trt, config = config_of()
    assert not config.get_flag(trt.BuilderFlag.TF32)


def test_numbers_are_set() -> None:
    trt, config = config_of(workspace=1 << 24, optimization_level=5)
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 24
    assert config.builder_optimization_level == 5


def test_compute_capabilities_are_set() -> None:
    class Config(SimpleNamespace):
        def set_compute_capability(self, capability: Any, index: int) -> bool:
            found[index] = capability
            return capability is not capabilities.SM121

        def clear_flag(self, flag: Any) -> None:
            assert self.num_compute_capabilities == 0

    found: dict[int, Any] = {}
    trt = load("tensorrt-rtx").trt
    capabilities = trt.ComputeCapability
    config = Config(num_compute_capabilities=0)
    BuildOptions(compute_capabilities=["8.6", "12.0", "8.6"]).configure(trt, config)
    assert found == {0: capabilities.SM86, 1: capabilities.SM120}
    assert config.num_compute_capabilities == 2
    with pytest.raises(ArgumentError, match=r"compute_capabilities: TensorRT refuses '12\.1' here"):
        BuildOptions(compute_capabilities=["12.1"]).configure(trt, Config(num_compute_capabilities=0))
    assert built(lambda x: x @ SQUARE, X, compute_capabilities="8.9").plan.nbytes > 1000


def test_what_the_library_lacks() -> None:
    with pytest.raises(UnsupportedError, match="timing_cache: TensorRT-RTX has no timing cache: it measures nothing"):
        built(F.exp, random(2, 3), timing_cache="kernels.cache")
    older = Library(SimpleNamespace(), "tensorrt", "10.9.0", (10, 9, 0))
    with pytest.raises(UnsupportedError, match=r'TensorRT builds for the GPU that it runs on; .*target="tensorrt-rtx"'):
        BuildOptions(compute_capabilities=["8.6"]).require_support(older)
    BuildOptions(timing_cache="kernels.cache").require_support(older)


def test_a_value_that_tensorrt_keeps_to_itself() -> None:
    trt = load("tensorrt-rtx").trt

    class Stubborn:
        builder_optimization_level = property(lambda self: 3, lambda self, level: None)

    with pytest.raises(ArgumentError, match="optimization_level: TensorRT keeps 3 when it is set to 5"):
        BuildOptions(optimization_level=5).configure(trt, Stubborn())


# --- the timing cache ---


class Cache:
    def __init__(self, contents: bytes) -> None:
        self.contents = contents

    def serialize(self) -> bytes:
        return self.contents + b"+"


class CachingConfig:
    """A builder's configuration whose caches fit unless they say that they do not."""

    def __init__(self) -> None:
        self.cache: Cache | None = None

    def create_timing_cache(self, contents: bytes) -> Cache | None:
        return None if contents == b"garbage" else Cache(contents)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.contents == b"another GPU's":
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> Cache | None:
        return self.cache


@pytest.mark.parametrize(
    ("before", "used"), [(None, b""), (b"old", b"old"), (b"another GPU's", b""), (b"garbage", b"")]
)
def test_the_timing_cache_is_read_where_it_fits_and_written_back(
    tmp_path: Path, before: bytes | None, used: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path, config = tmp_path / "kernels.cache", CachingConfig()
    if before is not None:
        path.write_bytes(before)
    load_timing_cache(config, path)
    assert config.cache is not None
    assert config.cache.contents == used
    assert ("another GPU or another TensorRT" in caplog.text) == (before not in (None, used))
    save_timing_cache(config, path)
    assert path.read_bytes() == used + b"+"
    assert list(tmp_path.iterdir()) == [path]


def test_a_timing_cache_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path, config = tmp_path / "kernels.cache", CachingConfig()
    path.write_bytes(b"old")
    with pytest.raises(AttributeError):
        save_timing_cache(config, path)  # no cache was loaded
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]
    with pytest.raises(ArgumentError, match="timing_cache: expected a file in a folder that exists"):
        load_timing_cache(config, tmp_path / "nowhere" / "kernels.cache")
    with pytest.raises(ArgumentError, match=r"timing_cache: .* cannot be read: Is a directory"):
        load_timing_cache(config, tmp_path)


def test_a_full_disk_costs_the_timing_cache_and_not_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    config = CachingConfig()
    load_timing_cache(config, tmp_path / "kernels.cache")
    monkeypatch.setattr("trtnn.backends.tensorrt.timing_cache.write_whole", refuse)
    with pytest.warns(UserWarning, match=r"timing_cache: .*kernels\.cache cannot be written: No space left on device"):
        save_timing_cache(config, tmp_path / "kernels.cache")


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX")
def test_the_timing_cache_is_used_as_the_library_has_it(tmp_path: Path) -> None:
    """TensorRT-RTX has the methods, though its caches stay empty."""
    path = tmp_path / "kernels.cache"
    for _ in range(2):
        _, config = config_of()
        load_timing_cache(config, path)
        save_timing_cache(config, path)
        assert path.read_bytes()


# --- builds that fail ---


class Encoder(nn.Module):
    def forward(self, x: Any) -> Any:
        return F.relu(x @ SQUARE)


class Model(nn.Module):
    def __init__(self) -> None:
        self.encoder = Encoder()

    def forward(self, x: Any = nn.Input(4, 64)) -> Any:
        return F.softmax(self.encoder(x))


def failure_of(**options: Any) -> BuildError:
    from trtnn.passes import lower

    with pytest.raises(BuildError) as caught:
        build(lower(Model().trace()), CHOICE, [], **options)
    return caught.value


def test_an_operation_that_a_gpu_lacks_is_named_by_module_and_line() -> None:
    """Myelin calls the layer "mat_mul#1_U0" here."""
    text = str(failure_of(compute_capabilities=["7.5"]))
    assert text.startswith("encoder: mat_mul: tensorrt-rtx 1.")
    assert "for Turing (SM75)" in text
    assert "leave the compute capability out that lacks it: 7.5\n  at " in text
    assert text.endswith("return F.relu(x @ SQUARE)")


def test_a_data_type_that_a_gpu_lacks() -> None:
    model = nn.Sequential(nn.Linear(4, 8))
    model.load_weights({"0/kernel": np.ones((4, 8), np.float32), "0/bias": np.ones(8, np.float32)})
    with pytest.raises(BuildError, match="b16") as caught:
        model.compile(nn.Input(2, 4), target="tensorrt-rtx", bf16=True, compute_capabilities=["7.5"])
    assert caught.value.remedy == "leave the compute capability out that lacks it: 7.5"


def test_a_workspace_that_is_too_small() -> None:
    assert failure_of(workspace=1024).remedy == "raise workspace=1024 (bytes), or leave it out"


def test_a_refittable_plan_without_a_gpu() -> None:
    """What TensorRT-RTX says of it depends on the network and the options."""
    remedy = "TensorRT-RTX builds refittable plans only where there is a GPU: build there, or without refittable=True"
    options, ranges = BuildOptions(refittable=True), [{"batch": (1, 2, 9)}]
    for said in (
        "graph_jit.cpp:278: CHECK(status == CUDA_SUCCESS) failed.",
        "kernel_gen.cpp:1249: CHECK(sm_vers_.size() == 1) failed.",
        "Target SM 80 is not found in the accelerator list.",
    ):
        network = emitted(F.exp, nn.Input("batch", 3))
        assert build_failure(network, [f"Error Code 1: Myelin ({said})"], ranges, options).remedy == remedy


def test_of_several_gpus_the_one_that_lacks_an_operation_is_named() -> None:
    remedy = "leave the compute capability out that lacks it: 7.5"
    assert failure_of(compute_capabilities=["12.0", "7.5"]).remedy == remedy


def test_the_gpu_of_a_machine_that_has_none() -> None:
    pytest.importorskip("trtnn.gpu.library")
    from trtnn.gpu.library import available

    if available():
        pytest.skip("there is a GPU")
    remedy = 'name the compute capability of the GPU, such as "8.9", or build on the machine that has it'
    assert failure_of(compute_capabilities=["current"]).remedy == remedy


def test_dims_are_named_with_the_sizes_that_do_not_fit() -> None:
    graph = graph_of(lambda x: F.exp(x[:, 2:7]), nn.Input("batch", "width"))
    with pytest.raises(BuildError, match=r"of every named dim, here opt: batch=1, width=4: check their ranges first"):
        build(graph, CHOICE, [{"batch": (1, 1, 2), "width": (2, 4, 8)}])


def test_a_message_on_a_profile_names_its_sizes_where_it_is_among_them() -> None:
    network, said = emitted(F.exp, nn.Input("batch", "width")), ["error with kMAX values for profile 1"]
    wide, narrow = {"batch": (1, 1, 2), "width": (2, 4, 8)}, {"batch": (1, 2, 9), "width": (1, 1, 1)}
    for profiles, here in (([wide, narrow], "max: batch=9, width=1"), ([narrow], "batch=(1, 2, 9), width=(1, 1, 1)")):
        assert f", here {here}: check" in str(build_failure(network, said, profiles, BuildOptions()))


def test_a_region_is_reported_by_its_first_and_last_module() -> None:
    nodes = {node.outputs[0].name: node for node in Model().trace().nodes if node.inputs}
    first, *_, last = nodes
    message = (
        "Error Code 10: Internal Error (Could not find any implementation for node "
        f"{{ForeignNode[{first}...{last}]}} due to insufficient workspace. See verbose log for requested sizes.)"
    )
    blame = find_blame([message], nodes)
    assert blame is not None
    assert blame.path == "encoder: mat_mul to softmax"
    text = str(build_error("cannot build", [message], blame))
    assert text.startswith("encoder: mat_mul to softmax: cannot build: ")
    assert f"; the region ends at {__file__}:" in text
    assert text.endswith("return F.relu(x @ SQUARE)")


@pytest.mark.parametrize(
    ("said", "layer"),
    [
        ("{ForeignNode[encoder.mat_mul]}", "encoder.mat_mul"),
        ("node encoder.mat_mul + encoder.relu.", "encoder.mat_mul"),
        ("'encoder.relu_U2_myl0_3'", "encoder.relu"),
        ("$$myelin$$(Unnamed Loop* 0)^encoder.relu_U11_myl1_84", "encoder.relu"),
        ("{ForeignNode[(Unnamed Layer* 3) [Constant]...softmax]}", "softmax"),
        ("encoder.mat_mul.1_25", None),
        ("my_softmax", None),
    ],
)
def test_layers_under_other_names(said: str, layer: str | None) -> None:
    nodes = {node.outputs[0].name: node for node in Model().trace().nodes if node.inputs}
    blame = find_blame([f"Error: {said}"], nodes)
    assert (blame and blame.layer) == layer
