"""Cases for `test_emit_ops.py`: operations that move elements, windows, matrix products and loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from emitting import Case, random
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F

tf = tensorflow()
X = random(2, 3, 4)
IMAGE = random(2, 6, 7, 3)
DYNAMIC_IMAGE = (nn.Input("batch", nn.Dim("height", 3, 6, 9), nn.Dim("width", 3, 7, 9), 3),)
KERNEL = random(3, 2, 3, 4, seed=1)
STATISTICS = [random(3, seed=seed, low=0.5, high=1.5) for seed in range(4)]


def shape_cases() -> dict[str, Case]:
    dynamic = (nn.Input("batch", 3, "width"),)
    table, picked = random(7, 4), np.array([[3, 0], [6, 6]], np.int64)
    return {
        "reshape": Case(
            lambda x: F.reshape(x, (x.shape[0], -1)), lambda x: tf.reshape(x, (x.shape[0], -1)), (X,), dynamic
        ),
        "reshape to two unknown sizes": Case(
            lambda x: F.reshape(x, (x.shape[2], x.shape[0], 3)), lambda x: tf.reshape(x, (4, 2, 3)), (X,), dynamic
        ),
        "transpose": Case(lambda x: F.transpose(x, (2, 0, 1)), lambda x: tf.transpose(x, (2, 0, 1)), (X,), dynamic),
        "broadcast": Case(
            lambda x: F.broadcast_to(x[:, :1], (5, x.shape[0], 3, x.shape[2])),
            lambda x: np.broadcast_to(x[:, :1], (5, 2, 3, 4)),
            (X,),
            dynamic,
        ),
        "concat": Case(lambda x: F.concat([x, x * 2, x], 2), lambda x: tf.concat([x, x * 2, x], 2), (X,), dynamic),
        "slice": Case(
            lambda x: x[1:, ::-2, 1:-1],
            lambda x: x[1:, ::-2, 1:-1],
            (X,),
            (nn.Input(2, 3, nn.Dim("width", 2, 4, 4)),),
        ),
        "gather": Case(F.take, tf.gather, (table, picked)),
        "dim_values": Case(
            lambda x: F.dim_values(x, (x.shape[0], 5, (x.shape[2] + 1) // 2)),
            lambda x: np.array([2, 5, 2]),
            (X,),
            dynamic,
        ),
        "select": Case(F.where, tf.where, (X > 0, X, X * 3)),
    }


def pad_cases() -> dict[str, Case]:
    pairs, dynamic = ((0, 0), (1, 2), (2, 1)), (nn.Input("batch", 3, nn.Dim("width", 3, 4, 6)),)
    found = {
        f"pad {mode}": Case(
            lambda x, mode=mode: F.pad(x, pairs, mode, 1.5 if mode == "constant" else 0.0),
            lambda x, mode=mode: np.pad(x, pairs, mode, **({"constant_values": 1.5} if mode == "constant" else {})),
            (X,),
            dynamic,
        )
        for mode in ("constant", "reflect", "edge")
    }
    symbolic = Case(
        lambda x: F.pad(x, ((0, 0), (0, 0), (x.shape[0], x.shape[2] // 2))),
        lambda x: np.pad(x, ((0, 0), (0, 0), (2, 2))),
        (X,),
        dynamic,
    )
    return found | {"pad by symbolic amounts": symbolic}


def window_cases() -> dict[str, Case]:
    bias = random(4, seed=2)
    return {
        "conv": Case(
            lambda x: F.conv(x, KERNEL, bias, stride=2, padding="same"),
            lambda x: tf.nn.conv2d(x, KERNEL, 2, "SAME") + bias,
            (IMAGE,),
            DYNAMIC_IMAGE,
        ),
        "conv with a computed kernel": Case(
            lambda x, k: F.conv(x, k * 2, k[0, 0, 0], padding="same"),
            lambda x, k: tf.nn.conv2d(x, k * 2, 1, "SAME") + k[0, 0, 0],
            (IMAGE, KERNEL),
            (DYNAMIC_IMAGE[0], nn.Input(3, 2, 3, 4)),
        ),
        "conv1d": Case(
            lambda x: F.conv(x, KERNEL[0], bias, stride=2, padding="same"),
            lambda x: tf.nn.conv1d(x, KERNEL[0], 2, "SAME") + bias,
            (IMAGE[0],),
            (nn.Input("batch", "width", 3),),
        ),
        "conv3d": Case(
            lambda x: F.conv(x, KERNEL[None], padding="same"),
            lambda x: tf.nn.conv3d(x, KERNEL[None], (1,) * 5, "SAME"),
            (IMAGE[None],),
            (nn.Input("batch", 2, "height", "width", 3),),
        ),
        "max pool": Case(
            lambda x: F.max_pool(x, 3, 2, "same"),
            lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
            (IMAGE - 5,),
            DYNAMIC_IMAGE,
        ),
        "average pool": Case(
            lambda x: F.average_pool(x, 3, 2, "same"),
            lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
            (IMAGE,),
            DYNAMIC_IMAGE,
        ),
        "batch norm": Case(
            lambda x: F.batch_norm(x, *STATISTICS, eps=1e-2),
            lambda x: (x - STATISTICS[2]) / np.sqrt(STATISTICS[3] + 1e-2) * STATISTICS[0] + STATISTICS[1],
            (IMAGE,),
            DYNAMIC_IMAGE,
        ),
        "matmul": Case(
            lambda x, y: F.matmul(x, y, transpose_y=True),
            lambda x, y: tf.matmul(x, y, transpose_b=True),
            (X, random(1, 5, 4, seed=3)),
        ),
        "matmul with a matrix": Case(
            F.matmul, lambda x, y: np.matmul(x, y), (X, random(4, 5)), (nn.Input("batch", 3, 4), nn.Input(4, 5))
        ),
        "linear": Case(
            lambda x: F.linear(x, KERNEL[0, 0, :2], bias), lambda x: x[..., :2] @ KERNEL[0, 0, :2] + bias, (X[..., :2],)
        ),
    }


def loop_cases() -> dict[str, Case]:
    sequence, start = random(2, 5, 3), random(2, 3, seed=1)
    inputs = (nn.Input("batch", "time", 3), nn.Input("batch", 3))
    weights, floor = random(3, 3, seed=2), np.float32(0.01)

    def step(state: Any, x: Any) -> Any:
        new = F.tanh(F.matmul(state, weights) + x)
        return new, new * 2

    def numpy_step(state: np.ndarray, x: np.ndarray) -> Any:
        new = np.tanh(state @ weights + x)
        return new, new * 2

    def numpy_scan(x: np.ndarray, state: np.ndarray, order: int = 1) -> np.ndarray:
        values = []
        for t in range(x.shape[1])[::order]:
            state, value = numpy_step(state, x[:, t])
            values.append(value)
        return np.stack(values[::order], 1) + state[:, None]

    def scan(x: Any, state: Any, reverse: bool = False) -> Any:
        state, values = F.scan(step, x, state, reverse=reverse)
        return values + F.expand_dims(state, 1)

    def halve(x: Any) -> Any:
        return F.while_loop(lambda x: F.reduce_max(x) > floor, lambda x: x / 2, x, max_steps=9)

    def numpy_halve(x: np.ndarray) -> np.ndarray:
        steps = 0
        while x.max() > floor and steps < 9:
            x, steps = x / 2, steps + 1
        return x

    return {
        "scan": Case(scan, numpy_scan, (sequence, start), inputs),
        "scan reverse": Case(
            lambda x, s: scan(x, s, True), lambda x, s: numpy_scan(x, s, -1), (sequence, start), inputs
        ),
        "scan without a sequence": Case(
            lambda x: F.scan(lambda s, _: (s * x, s), None, x, length=4, axis=0)[1],
            lambda x: np.stack([x**n for n in range(1, 5)]),
            (start,),
        ),
        "while until the condition fails": Case(halve, numpy_halve, (start,), (nn.Input("batch", 3),)),
        "while until the last step": Case(halve, numpy_halve, (start * 1000,), (nn.Input("batch", 3),)),
    }


CASES = {**shape_cases(), **pad_cases(), **window_cases(), **loop_cases()}
