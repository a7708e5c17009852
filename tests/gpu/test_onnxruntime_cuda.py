"""ONNX Runtime on a real GPU, against ONNX Runtime on the CPU."""

from __future__ import annotations

import functools
import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn import gpu
from trtnn.backends.onnxruntime.placement import require_cuda
from trtnn.errors import BuildError, DeviceError, InputError, LibraryError


def why_not() -> str | None:
    try:
        require_cuda()
    except LibraryError as error:
        return str(error)
    return gpu.why_not()


pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")
RNG = np.random.default_rng(0)


class Images(nn.Module):
    """Convolutions, pooling and a linear layer, for images of any size."""

    def __init__(self) -> None:
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, padding="same"), nn.Conv2d(16, 32, 3, stride=2, padding="same")
        self.bn, self.fc = nn.BatchNorm(16), nn.Linear(32, 10)

    def forward(self, x: nn.Tensor = nn.Input("batch", "height", "width", 3)) -> dict[str, nn.Tensor]:
        x = F.relu(self.conv2(F.relu(self.bn(self.conv1(x)))))
        return {"features": x, "scores": self.fc(F.global_average_pool(x))}


class Words(nn.Module):
    """A bidirectional LSTM."""

    def __init__(self) -> None:
        self.lstm = nn.Bidirectional(nn.LSTM(16, 32, return_sequences=True))

    def forward(self, x: nn.Tensor = nn.Input("batch", "steps", 16)) -> nn.Tensor:
        return self.lstm(x)


class Loop(nn.Module):
    """A loop, which ONNX Runtime does not capture."""

    def forward(self, x: nn.Tensor = nn.Input("batch", "steps", 16)) -> nn.Tensor:
        step = lambda state, x_t: (F.tanh(state + x_t), state)  # noqa: E731
        return F.scan(step, x, F.sum(x, axis=1))[1]


class Outer(nn.Module):
    """The sum of all products of two elements, by way of a matrix of them."""

    def forward(self, x: nn.Tensor = nn.Input("n", 1)) -> nn.Tensor:
        return F.sum(F.exp(-F.abs(F.matmul(x, x, transpose_y=True))), axis=1)


@functools.cache
def loaded(kind: type[nn.Module]) -> nn.Module:
    model, rng = kind(), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.assign(rng.uniform(0.1, 0.3, parameter.shape).astype(np.float32))
    return model


@functools.cache
def on_cpu(kind: type[nn.Module]) -> Any:
    return loaded(kind).compile(target="onnxruntime")


@functools.cache
def on_gpu(kind: type[nn.Module], **options: Any) -> Any:
    return loaded(kind).compile(target="onnxruntime", device="cuda", **options)


def images(batch: int, height: int = 12, width: int = 10) -> np.ndarray:
    return RNG.normal(size=(batch, height, width, 3)).astype(np.float32)


def words(batch: int, steps: int) -> np.ndarray:
    return RNG.normal(size=(batch, steps, 16)).astype(np.float32)


def host(array: Any) -> np.ndarray:
    if isinstance(array, np.ndarray):
        return array
    return array.cpu().numpy() if hasattr(array, "cpu") else array.get() if hasattr(array, "get") else np.asarray(array)


def assert_right(got: Any, x: np.ndarray, kind: type[nn.Module] = Images, tolerance: float = 1e-4) -> None:
    want = on_cpu(kind)(x)
    for name in want if isinstance(want, dict) else [slice(None)]:
        one = want[name]
        np.testing.assert_allclose(host(got[name]), one, rtol=tolerance, atol=tolerance * np.abs(one).max())


@pytest.fixture(params=[False, True], ids=["run", "graphs"])
def engine(request: pytest.FixtureRequest) -> Any:
    return on_gpu(Images, cuda_graphs=request.param)


def test_numpy(engine: Any) -> None:
    assert engine.choice.device == "cuda"
    for batch, height in ((1, 12), (1, 12), (3, 9), (1, 12), (8, 33), (3, 9)):
        x = images(batch, height)
        got = engine(x)
        assert all(type(array) is np.ndarray for array in got.values())
        assert_right(got, x)
    x = images(2)
    out = {name: np.empty_like(array) for name, array in engine(x).items()}
    assert engine(-x, out=out)["scores"] is out["scores"]
    assert_right(out, -x)


def test_large_numpy_arrays(engine: Any) -> None:
    x = images(4, 600, 500)
    for _ in range(3):
        assert_right(engine(x), x)


@pytest.mark.parametrize("library", ["torch", "cupy", "jax.numpy"])
def test_arrays_of_other_libraries(engine: Any, library: str) -> None:
    module = pytest.importorskip(library)
    for batch in (1, 3, 3, 1):
        x = images(batch)
        given = module.asarray(x, device="cuda") if library == "torch" else module.asarray(x)
        got = engine(given)
        assert all(type(array) is type(given) for array in got.values())
        assert_right(got, x)


def test_a_torch_tensor_is_read_in_place_and_written_in_place(engine: Any) -> None:
    torch = pytest.importorskip("torch")
    x = images(2)
    given = torch.from_numpy(x).cuda()
    out = {name: torch.empty_like(array) for name, array in engine(given).items()}
    for sign in (1, -1, 1):
        given.copy_(torch.from_numpy(sign * x))
        assert engine(given, out=out)["features"] is out["features"]
        assert_right(out, sign * x)
    with pytest.raises(InputError, match=r"out: scores: expected shape \(2, 10\) for these inputs"):
        engine(given, out={**out, "scores": torch.empty(3, 10, device="cuda")})
    with pytest.raises(InputError, match="out: scores: expected an array on the GPU"):
        engine(given, out={**out, "scores": torch.empty(2, 10)})


@pytest.mark.parametrize("how", ["stream=", "current", "legacy default"])
def test_the_work_is_ordered_on_the_callers_stream(engine: Any, how: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = [images(2) for _ in range(6)]
    sources = [torch.from_numpy(x).cuda() for x in arrays]
    slow = torch.randn(4096, 4096, device="cuda")
    given, sums = torch.zeros_like(sources[0]), []
    engine(given)
    torch.cuda.synchronize()
    stream = torch.cuda.default_stream() if how == "legacy default" else torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for source in sources:
            for _ in range(10):
                slow = torch.tanh(slow @ slow)  # some ms of work before the input is there
            given.copy_(source)
            got = engine(given, stream=stream) if how == "stream=" else engine(given)
            sums.append({name: array.clone() for name, array in got.items()})
            given.fill_(float("nan"))
            del got
    stream.synchronize()
    for x, got in zip(arrays, sums, strict=True):
        assert_right(got, x)


def test_graphs_are_replayed_with_what_the_inputs_hold_now() -> None:
    torch = pytest.importorskip("torch")
    engine = loaded(Images).compile(target="onnxruntime", device="cuda", cuda_graphs=True)
    held = []
    for turn in range(20):
        x = images(1 + turn % 3)
        held.append((x, engine(torch.from_numpy(x).cuda())))
    for x, got in held:
        assert_right(got, x)
    assert len(engine._runtime._graphs) == 3


def test_16_threads(engine: Any) -> None:
    torch = pytest.importorskip("torch")
    shapes = ((1, 12), (2, 12), (5, 17))
    cases = [images(*shapes[turn % 3]) for turn in range(12)]
    want = [on_cpu(Images)(x)["scores"] for x in cases]

    def work(seed: int) -> None:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for turn in range(60):
                place = (seed + turn) % len(cases)
                x = cases[place] if seed % 2 else torch.from_numpy(cases[place]).cuda()
                scores = host(engine(x)["scores"])
                np.testing.assert_allclose(scores, want[place], rtol=1e-4, atol=1e-4 * np.abs(want[place]).max())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))


def test_an_error_in_the_middle() -> None:
    torch = pytest.importorskip("torch")
    for graphs in (False, True):
        engine = loaded(Outer).compile(target="onnxruntime", device="cuda", cuda_graphs=graphs)
        small = RNG.normal(size=(50, 1)).astype(np.float32)
        for given in (small, torch.from_numpy(small).cuda()):
            for _ in range(3):
                assert_right(engine(given), small, Outer)
            with pytest.raises(DeviceError, match=r"Outer: failed on the GPU: .*[Aa]lloc"):
                engine(torch.zeros(400_000, 1, device="cuda"))  # a matrix of 640 GB
            assert_right(engine(given), small, Outer)


def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="GPU 99"):
        loaded(Images).compile(target="onnxruntime", device="cuda:99")


@pytest.mark.parametrize("graphs", [False, True])
def test_float16(graphs: bool) -> None:
    engine = on_gpu(Images, fp16=True, cuda_graphs=graphs)
    assert engine.precision == "float16"
    for batch in (2, 2, 2, 3):
        x = images(batch)
        assert_right(engine(x), x, tolerance=1e-2)


def test_bfloat16_is_emulated() -> None:
    engine = on_gpu(Images, bf16=True)
    assert "emulated" in engine.precision
    x = images(2)
    assert_right(engine(x), x, tolerance=5e-2)


@pytest.mark.parametrize("options", [{}, {"cuda_graphs": True}, {"fp16": True, "cuda_graphs": True}, {"tf32": True}])
def test_lstm(options: dict[str, Any]) -> None:
    engine = on_gpu(Words, **options)
    for batch, steps in ((2, 5), (1, 80), (2, 5), (2, 5), (16, 30)):
        x = words(batch, steps)
        assert_right(engine(x), x, Words, tolerance=1e-2 if "tf32" in options else 1e-4)


def test_a_loop_runs_and_is_not_captured() -> None:
    torch = pytest.importorskip("torch")
    engine = on_gpu(Loop)
    for batch, steps in ((2, 5), (1, 30), (2, 5)):
        x = words(batch, steps)
        assert_right(engine(x), x, Loop)
        assert_right(engine(torch.from_numpy(x).cuda()), x, Loop)
    with pytest.raises(BuildError, match=r"Loop: ONNX Runtime refused the model: .*compile with cuda_graphs=False"):
        on_gpu(Loop, cuda_graphs=True)


def test_saved_and_loaded_and_refitted(tmp_path: Path) -> None:
    engine = on_gpu(Images, cuda_graphs=True)
    engine.save(tmp_path / "images.onnx")
    model, x = Images(), images(2)
    found = nn.Engine.load(tmp_path / "images.onnx", module=model)
    assert type(found) is type(engine)
    assert found.runtime_options["cuda_graphs"] is True
    assert_right(found(x), x)
    zeros = {path: np.zeros(one.shape, np.float32) for path, one in loaded(Images).named_parameters()}
    found.refit(zeros)
    assert not found(x)["scores"].any()


def test_device_memory_stays(engine: Any) -> None:
    torch = pytest.importorskip("torch")
    given = [torch.from_numpy(images(batch)).cuda() for batch in (1, 2)]

    def used() -> int:
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        return int(total - free)

    for turn in range(20):
        engine(given[turn % 2])
    before = used()
    for turn in range(1000 if engine.runtime_options["cuda_graphs"] else 100):
        engine(given[turn % 2])
    assert used() <= before
