"""The ONNX standard's own node tests, on ONNX Runtime and on the simulated TensorRT network.

Which tests apply is decided by rules, in the reader and by the graph's data types, never by a list of names; how many
apply is asserted, so that the suite cannot shrink unseen. Tolerances are the standard's.
"""

from __future__ import annotations

import collections
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from onnx_nodes import elementwise, recurrent, shaping, windows
from onnx_nodes.reader import HANDLERS, NotApplicable, Reader
from trtnn.backends.select import builder_of
from trtnn.backends.tensorrt.library import available
from trtnn.engine import Choice
from trtnn.errors import DTypeError
from trtnn.graph import Graph, verify
from trtnn.passes import lower

assert elementwise and recurrent and shaping and windows  # they register what the reader reads

APPLICABLE = 760  # at least so many node tests apply; there are 1,884 in onnx 1.23
SEVERAL = "several nodes"  # the tests in which an operation is written as a function of others

# What TensorRT computes otherwise. An entry that has become right fails the test.
TENSORRT_DIFFERS = {
    "test_mod_float_edge_cases_fmod_0_float16": "x mod infinity: TensorRT has x - floor(x / y) * y alone, which is NaN",
    "test_mod_float_edge_cases_fmod_0_float32": "x mod infinity: TensorRT has x - floor(x / y) * y alone, which is NaN",
    "test_attention_4d_causal_fp16_expanded": "two results of 192 are two units of the last place of float16 off",
}

Arrays: TypeAlias = Mapping[str, np.ndarray]


@attrs.frozen(eq=False)
class Case:
    """A node test as a graph: what to feed it and what the standard says comes out."""

    name: str
    kind: str
    graph: Graph
    feeds: Arrays
    wanted: tuple[np.ndarray, ...]
    rtol: float
    atol: float


@functools.cache
def cases() -> tuple[tuple[Case, ...], collections.Counter[str]]:
    """The tests that apply, and the reasons why the others do not with their numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the standard's tests compute infinities on purpose
        loaded = load_model_tests(kind="node")
    found, reasons = [], collections.Counter[str]()
    for test in loaded:
        try:
            found.append(_case(test))
        except NotApplicable as reason:
            reasons[str(reason)] += 1
        except DTypeError as error:
            reasons[f"{error.path}: the graph computes with no {error.got}"] += 1
    return tuple(found), reasons


def _case(test: Any) -> Case:
    inputs, outputs = ([_as_array(one) for one in tensors] for tensors in test.data_sets[0])
    arrays = dict(zip((one.name for one in test.model.graph.input), inputs, strict=True))
    graph = lower(verify(Reader(test.model, arrays).read()), verify)
    feeds = {value.name: np.asarray(arrays[value.name]) for value in graph.inputs}
    nodes = test.model.graph.node
    kind = nodes[0].op_type if len(nodes) == 1 else SEVERAL
    return Case(test.name, kind, graph, feeds, tuple(map(np.asarray, outputs)), test.rtol, test.atol)


def _as_array(tensor: Any) -> Any:
    return numpy_helper.to_array(tensor) if isinstance(tensor, onnx.TensorProto) else tensor


def on_onnxruntime(case: Case) -> Any:
    choice = Choice("onnxruntime", "tests")
    return builder_of(choice)(case.graph, choice, [{}], check_nan=False, threads=1)(**case.feeds)


def on_tensorrt(case: Case) -> Any:
    from trtnn.backends.tensorrt.emit import emit
    from trtnn.passes.recurrent import lower_recurrent

    return emit(lower_recurrent(case.graph), tensorrt_library()).simulate(case.feeds)


@functools.cache
def tensorrt_library() -> Any:
    from trtnn.backends.tensorrt.library import load

    return load("tensorrt-rtx")


def difference(case: Case, run: Callable[[Case], Any]) -> str:
    """What is wrong with the results; empty when nothing is."""
    try:
        for got, want in zip(run(case), case.wanted, strict=True):
            assert (got.dtype, got.shape) == (want.dtype, want.shape), (
                f"{got.dtype}{got.shape}, {want.dtype}{want.shape}"
            )
            np.testing.assert_allclose(got, want, rtol=case.rtol, atol=case.atol)
    except Exception as error:  # whatever it is, the report names the test
        return f"{case.name}: {type(error).__name__}: {error}\n{case.graph}"
    return ""


KINDS = [*sorted(HANDLERS), "Constant", "Shape", "Size", SEVERAL]


@pytest.mark.parametrize("kind", KINDS)
def test_on_onnxruntime(kind: str) -> None:
    wrong = [difference(case, on_onnxruntime) for case in cases()[0] if case.kind == kind]
    assert not any(wrong), "\n\n".join(filter(None, wrong))


@pytest.mark.skipif(not available("tensorrt-rtx"), reason="TensorRT-RTX is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_on_simulated_tensorrt(kind: str) -> None:
    chosen = [case for case in cases()[0] if case.kind == kind]
    wrong = {case.name: text for case in chosen if (text := difference(case, on_tensorrt))}
    expected = {case.name for case in chosen if case.name in TENSORRT_DIFFERS}
    assert set(wrong) == expected, "\n\n".join(wrong[name] for name in wrong if name not in expected)


def test_the_suite_does_not_shrink() -> None:
    applicable, reasons = cases()
    assert len(applicable) >= APPLICABLE, reasons.most_common()
    kinds = collections.Counter(case.kind for case in applicable)
    assert {kind for kind in HANDLERS if not kinds[kind]} <= {"CastLike"}, "read, but no test of one node applies"
    assert kinds[SEVERAL] >= 250, kinds
    assert set(kinds) <= set(KINDS), "applies, but is not run"


def test_every_reason_is_one_of_a_few_rules() -> None:
    rules = (
        "no ",  # an operation that the graph does not have
        "the data type ",
        "an optional or sequence input",
        "an empty tensor",
        *(f"{kind} " for kind in HANDLERS),  # an attribute or a use of an operation that the graph does not have
    )
    reasons = cases()[1]
    others = [
        reason for reason in reasons if not reason.startswith(rules) and "the graph computes with no" not in reason
    ]
    assert not others


def test_a_planted_bug_is_seen() -> None:
    """The standard's numbers tell a right pooling from one whose padding is at the wrong end."""
    case, other = (
        next(one for one in cases()[0] if one.name == f"test_maxpool_2d_same_{place}") for place in ("lower", "upper")
    )
    assert not difference(case, on_onnxruntime)
    assert "AssertionError" in difference(attrs.evolve(case, graph=other.graph), on_onnxruntime)
