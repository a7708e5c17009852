"""Every operation: emitted, really built, and simulated against TensorFlow or NumPy."""

from __future__ import annotations

import re

import cases_math
import cases_shape
import numpy as np
import pytest
from emitting import built, graph_of, inputs_like
from hand_network import in_every_listing  # noqa: F401
from oracle import assert_close

from trtnn.graph import ops
from trtnn.graph.ops.math import ARITHMETIC, COMPARISONS, LOGICAL, REDUCTIONS, UNARY_FLOAT, UNARY_NUMBER

CASES = cases_math.CASES | cases_shape.CASES


@pytest.mark.parametrize("name", CASES)
def test_op_is_built_and_means_what_tensorflow_means(name: str) -> None:
    case = CASES[name]
    engine = built(case.function, *case.arrays, inputs=case.inputs or inputs_like(*case.arrays))
    got, want = engine.simulate(*case.arrays), np.asarray(case.oracle(*case.arrays))
    assert engine.plan.nbytes > 1000
    assert got.dtype == want.dtype
    if want.dtype.kind == "f":
        assert_close(got, want)
    else:
        np.testing.assert_array_equal(got, want)


def test_cases_cover_every_operation() -> None:
    seen: set[str] = set()
    for case in CASES.values():
        graph = graph_of(case.function, *(case.inputs or inputs_like(*case.arrays)))
        seen |= {node.op.name for node in graph.nodes}
    kinds = {one.name for one in map(ops.Unary, UNARY_FLOAT | UNARY_NUMBER | {"logical_not"})}
    kinds |= {one.name for one in map(ops.Binary, ARITHMETIC | COMPARISONS | LOGICAL)}
    kinds |= set(ops.ACTIVATIONS) | {f"reduce_{kind}" for kind in REDUCTIONS}
    classes = [vars(module) for module in (ops.control, ops.math, ops.nn, ops.shape)]
    named = {
        name for found in classes for name, one in found.items() if isinstance(one, type) and issubclass(one, ops.Op)
    }
    named -= {"Op", "Activation", "Binary", "Reduce", "Unary"}  # named after their kinds, which are listed above
    named -= {"BatchNorm"}  # folded by the passes; emitted as it is in test_emit_network.py
    kinds |= {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in named}
    assert not kinds - seen
