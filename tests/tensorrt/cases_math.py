"""Cases for `test_emit_ops.py`: elementwise functions, comparisons, casts and reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
from emitting import DTYPES, Case, random
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from trtnn.graph import DType
from trtnn.graph.ops.math import ARITHMETIC, COMPARISONS, LOGICAL, REDUCTIONS, UNARY_FLOAT, UNARY_NUMBER

tf = tensorflow()
X = random(2, 3, 4)
HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]], np.float32)
INTS = np.array([[-7, -3, 0, 5], [7, 2, 9, -1]], np.int32)
DIVISORS = np.array([[3, -2, 4, 5], [-4, 3, 2, 6]], np.int32)
BITS = np.array([[True, True, False, False]])
OTHER_BITS = np.array([[True, False, True, False]])


def unary_cases() -> dict[str, Case]:
    cases = {}
    for kind in sorted(UNARY_FLOAT | UNARY_NUMBER):
        x = random(2, 5, low=1.1 if kind == "acosh" else 0.1, high=3 if kind == "acosh" else 0.9)
        signed = kind in UNARY_NUMBER or kind in ("sin", "tan", "sinh", "asinh", "atan", "erf", "floor", "ceil")
        x = random(2, 5) if signed else HALVES if kind == "round" else x
        cases[kind] = Case(getattr(F, kind), getattr(tf.math, kind, None) or getattr(tf, kind), (x,))
    for kind in sorted(UNARY_NUMBER):
        cases[f"{kind} of int64"] = Case(getattr(F, kind), getattr(tf.math, kind), (INTS.astype(np.int64),))
    return cases | {"logical_not": Case(F.logical_not, np.logical_not, (BITS,))}


def binary_cases() -> dict[str, Case]:
    x, y = random(2, 5, low=0.5, high=4), random(1, 5, seed=1, low=0.5, high=2)
    names = {"mod": "floormod", "power": "pow", "floor_divide": "floordiv"}
    found = {}
    for kind in sorted(ARITHMETIC | COMPARISONS):
        oracle = getattr(tf.math, names.get(kind, kind))
        found[kind] = Case(getattr(F, kind), oracle, (x, y))
        if kind not in ("divide", "power"):
            found[f"{kind} of int32"] = Case(getattr(F, kind), oracle, (INTS, DIVISORS))
            found[f"{kind} of int64"] = Case(
                getattr(F, kind), oracle, (INTS.astype(np.int64), DIVISORS.astype(np.int64))
            )
    found["power of int32"] = Case(F.power, np.power, (INTS, np.abs(DIVISORS)))
    found["mod of negative floats"] = Case(F.mod, tf.math.floormod, (x - 2, -y))
    found |= {kind: Case(getattr(F, kind), getattr(np, kind), (BITS, OTHER_BITS)) for kind in sorted(LOGICAL)}
    for dtype in ("bool", "int8", "uint8"):
        pair = (np.array([[0, 1, 1]], dtype), np.array([[1, 1, 0]], dtype))
        found[f"equal of {dtype}"] = Case(F.equal, np.equal, pair)
    return found


def activation_cases() -> dict[str, Case]:
    cases: dict[str, tuple[Any, Any]] = {
        "relu": (F.relu, tf.nn.relu),
        "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), lambda x: tf.nn.leaky_relu(x, 0.3)),
        "elu": (lambda x: F.elu(x, 0.7), lambda x: tf.where(x > 0, x, 0.7 * (tf.exp(x) - 1))),
        "selu": (F.selu, tf.nn.selu),
        "sigmoid": (F.sigmoid, tf.nn.sigmoid),
        "hard_sigmoid": (lambda x: F.hard_sigmoid(x, 0.2), lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1)),
        "tanh": (F.tanh, tf.nn.tanh),
        "softplus": (F.softplus, tf.nn.softplus),
        "softsign": (F.softsign, tf.nn.softsign),
        "gelu": (F.gelu, tf.nn.gelu),
        "gelu_tanh": (lambda x: F.gelu(x, approximate=True), lambda x: tf.nn.gelu(x, approximate=True)),
        "swish": (F.swish, tf.nn.swish),
        "hard_swish": (F.hard_swish, lambda x: x * tf.nn.relu6(x + 3) / 6),
        "mish": (F.mish, lambda x: x * tf.nn.tanh(tf.nn.softplus(x))),
        "clip": (lambda x: F.clip(x, -0.5, 1.25), lambda x: tf.clip_by_value(x, -0.5, 1.25)),
        "clip above": (lambda x: F.clip(x, -np.inf, 1.25), lambda x: tf.minimum(x, 1.25)),
        "clip below": (lambda x: F.clip(x, -0.5, np.inf), lambda x: tf.maximum(x, -0.5)),
        "threshold": (lambda x: F.threshold(x, 0.5), lambda x: tf.where(x > 0.5, x, 0.0)),
    }
    x = random(2, 40, low=-6, high=6)
    return {name: Case(*pair, (x,)) for name, pair in cases.items()}


def reduce_cases() -> dict[str, Case]:
    x = random(2, 3, 4, low=0.5, high=1.5)
    found = {
        f"{kind}": Case(
            lambda x, kind=kind: getattr(F, f"reduce_{kind}")(x, (0, 2)),
            lambda x, kind=kind: getattr(tf, f"reduce_{kind}")(x, (0, 2)),
            (x,),
        )
        for kind in sorted(REDUCTIONS)
    }
    found |= {
        f"{kind} of int32": Case(
            lambda x, kind=kind: getattr(F, f"reduce_{kind}")(x, 1, True),
            lambda x, kind=kind: getattr(tf, f"reduce_{kind}")(x, 1, True),
            (INTS,),
        )
        for kind in sorted(REDUCTIONS - {"mean"})
    }
    return found | {
        "argmax": Case(lambda x: F.argmax(x, 1), lambda x: tf.argmax(x, 1), (X,), (nn.Input("batch", 3, "width"),)),
        "argmax of equals": Case(
            F.argmax, lambda x: tf.argmax(x, -1), (np.array([[1, 3, 3, 2], [5, 0, 5, 5]], np.int32),)
        ),
        "argmax of a vector": Case(F.argmax, tf.argmax, (random(6),)),
        "softmax": Case(lambda x: F.softmax(x, 1), lambda x: tf.nn.softmax(x, 1), (X,)),
        "softmax of a vector": Case(F.softmax, tf.nn.softmax, (random(6),)),
    }


CASTS = {
    f"cast {source} to {target}": Case(
        lambda x, target=target: F.cast(x, target),
        lambda x, target=target: x.astype(target.numpy),
        (np.array([[0, 1, 100]], source.numpy),),
    )
    for source in DTYPES
    for target in DTYPES
    if source is not target and DType.bool not in (source, target)
}
CASTS |= {
    "cast float32 to int32 toward zero": Case(lambda x: F.cast(x, "int32"), np.int32, (HALVES,)),
    "cast float32 to uint8 toward zero": Case(lambda x: F.cast(x, "uint8"), np.uint8, (np.abs(HALVES),)),
    "cast int32 to uint8 wrapped": Case(
        lambda x: F.cast(x, "uint8"), lambda x: x.astype(np.uint8), (np.array([-1, 256, 300], np.int32),)
    ),
    "cast int32 to uint8 and on": Case(
        lambda x: F.cast(F.cast(x, "uint8"), "float32"),
        lambda x: x.astype(np.uint8).astype(np.float32),
        (np.array([[-1, 256, 300]], np.int32),),
    ),
    "cast bool to float32": Case(lambda x: F.cast(x, "float32"), np.float32, (BITS,)),
    "cast bool to uint8": Case(lambda x: F.cast(x, "uint8"), np.uint8, (BITS,)),
    "cast float32 to bool": Case(lambda x: F.cast(x, "bool"), np.bool_, (np.array([[0, 0.3, -2]], np.float32),)),
    "cast uint8 to bool": Case(lambda x: F.cast(x, "bool"), np.bool_, (np.array([[0, 3, 255]], np.uint8),)),
}
CASES = {**unary_cases(), **binary_cases(), **activation_cases(), **reduce_cases(), **CASTS}
