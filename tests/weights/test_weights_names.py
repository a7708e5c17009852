"""Which variable a parameter gets: names, synonyms, ``name_map``, ambiguity. By name only."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from trtnn.errors import WeightsError
from trtnn.weights import LoadReport, Slot, load

ALIASES = {"kernel": ("kernel", "W", "weights"), "bias": ("bias", "b", "biases")}


def slot(path: str, *shape: int, layout: str = "") -> Slot:
    *scope, last = path.split(".")
    names = ["/".join([*scope, name]) for name in ALIASES.get(last, (last,))]
    return Slot(path, tuple(names), shape, "float32", layout)


def filled(*shape: int, value: float = 1.0) -> np.ndarray:
    return np.full(shape, value, np.float32)


def name_of(report: LoadReport) -> str:
    assert len(report.matched) == 1
    return report.matched[0].name


@pytest.mark.parametrize(
    "name",
    ["enc/conv1/kernel", "enc/conv1/kernel:0", "enc/conv1/W", "enc/conv1/weights:0", "enc.conv1.kernel"],
)
def test_every_name_of_a_parameter(name: str) -> None:
    arrays, report = load([slot("enc.conv1.kernel", 2, 3)], {name: filled(2, 3)})
    assert name_of(report) == name
    np.testing.assert_array_equal(arrays["enc.conv1.kernel"], filled(2, 3))


def test_a_name_is_never_guessed_from_a_shape() -> None:
    with pytest.raises(WeightsError, match=r"fc\.kernel: the file has no fc/kernel or fc/W or fc/weights; the nearest"):
        load([slot("fc.kernel", 2, 3)], {"fc1/kernel": filled(2, 3)})


def test_two_variables_for_one_parameter() -> None:
    message = (
        "fc.kernel: 2 different variables in the dict may be meant: fc/kernel, fc/W; "
        "say which, as in name_map={'fc.kernel': 'fc/kernel'}"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load([slot("fc.kernel", 2)], {"fc/kernel": filled(2), "fc/W": filled(2, value=2)}, strict=False)


def test_two_copies_for_one_parameter() -> None:
    _, report = load([slot("fc.kernel", 2)], {"fc/kernel": filled(2), "fc/W": filled(2)})
    assert name_of(report) == "fc/kernel"
    assert str(report).startswith("the dict: 1 of 1 parameters loaded, 0 missing, 1 ignored (second copies)")


def test_a_synonym_that_is_another_parameters_own_name() -> None:
    slots = [slot("att.kernel", 2), Slot("att.weights", ("att/weights",), (2,), "float32")]
    source = {"att/kernel": filled(2), "att/weights": filled(2, value=5)}
    arrays, _ = load(slots, source)
    assert arrays["att.kernel"][0] == 1
    assert arrays["att.weights"][0] == 5


def test_one_variable_for_two_parameters() -> None:
    arrays, _ = load([slot("a.kernel", 2), slot("b.kernel", 2)], {"s/W": filled(2)}, lambda name: "s/W")
    assert arrays["a.kernel"][0] == arrays["b.kernel"][0] == 1


@pytest.mark.parametrize(
    "name_map",
    [
        {"enc.conv1.kernel": "resnet/c1/w:0"},
        {"enc/conv1/W": "resnet/c1/w"},
        [("^enc/", "resnet/"), (r"conv(\d)", r"c\1"), ("/W$", "/w")],
        lambda name: name.replace("enc/conv1/kernel", "resnet/c1/w"),
        lambda name: "resnet/c1/w" if name == "enc/conv1/weights" else None,
    ],
)
def test_name_maps(name_map: Any) -> None:
    _, report = load([slot("enc.conv1.kernel", 2)], {"resnet/c1/w:0": filled(2)}, name_map)
    assert name_of(report) == "resnet/c1/w:0"


def test_a_dict_leaves_other_parameters_alone() -> None:
    source = {"x": filled(2), "b/kernel": filled(2, value=3), "a/kernel": filled(2, value=9)}
    arrays, report = load([slot("a.kernel", 2), slot("b.kernel", 2)], source, {"a.kernel": "x"})
    assert [arrays[path][0] for path in ("a.kernel", "b.kernel")] == [1, 3]
    assert [unused.name for unused in report.unexpected] == ["a/kernel"]


@pytest.mark.parametrize(
    ("name_map", "message"),
    [
        (
            {"net/w": "fc/kernel"},
            "name_map: 'net/w' is a name in the file and 'fc/kernel' one in the model; "
            "it goes the other way, from the model to the file: {'fc/kernel': 'net/w'}",
        ),
        (
            {"fc.kernl": "net/w"},
            "name_map: the model has no parameter 'fc.kernl'; did you mean fc.kernel or fc/kernel?",
        ),
        ({"zzz": "net/w"}, "name_map: the model has no parameter 'zzz'"),
        ({"fc.kernel": 3}, "name_map: expected names to names, got 'fc.kernel': 3"),
        ([("(", "x")], "name_map: expected (regular expression, replacement) pairs, got ('(', 'x') (missing ), "),
        (["ab", "abc"], "name_map: expected (regular expression, replacement) pairs, got 'abc' (too many values"),
        ([("f", r"\1")], "name_map: expected a replacement, got '\\\\1' (invalid group reference 1"),
        (lambda name: 3, "name_map: expected a name or None for 'fc/kernel', got 3"),
    ],
)
def test_senseless_name_maps(name_map: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}"):
        load([slot("fc.kernel", 2)], {"net/w": filled(2)}, name_map)


def test_a_name_map_to_nowhere() -> None:
    with pytest.raises(WeightsError, match=r"fc\.kernel: the file has no net/v; the nearest there: net/w"):
        load([slot("fc.kernel", 2)], {"net/w": filled(2)}, {"fc.kernel": "net/v"})


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("resnet/a/kernel", "resnet/a/b"), 'the file has them under "resnet/": pass name_map=[("^", "resnet/")]'),
        (
            ("g/a/kernel", "g/a/bias", "ema/a/kernel", "ema/a/bias"),
            'the file has them under "g/" and "ema/": pass name_map=[("^", "g/")]',
        ),
        (("kernel:0", "bias:0"), 'the file has them without "a/": pass name_map=[("^a/", "")]'),
        (
            ("a/kernel/ExponentialMovingAverage", "a/bias/ExponentialMovingAverage"),
            'the file has their moving averages only: pass name_map=[("$", "/ExponentialMovingAverage")]',
        ),
    ],
)
def test_the_hint_when_all_names_are_elsewhere(names: tuple[str, ...], hint: str) -> None:
    source = {name: filled(2) for name in names}
    slots = [slot("a.kernel", 2), slot("a.bias", 2)]
    with pytest.raises(WeightsError) as caught:
        load(slots, source)
    assert str(caught.value).splitlines()[-1].strip() == hint
    name_map = eval(hint.partition("name_map=")[2])
    assert len(load(slots, source, name_map)[0]) == 2


def test_moving_averages_on_request() -> None:
    source = {"a/kernel": filled(2), "a/kernel/ExponentialMovingAverage": filled(2, value=7)}
    arrays, _ = load([slot("a.kernel", 2)], source, [("$", "/ExponentialMovingAverage")])
    assert arrays["a.kernel"][0] == 7


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [([(3, 2), (2, 2)], (5, 2)), ([(2, 3), (2, 2)], (2, 5)), ([(2, 2), (2, 2)], (4, 2)), ([(2, 2), (2, 2)], (2, 4))],
)
def test_partitions(shapes: list[tuple[int, ...]], wanted: tuple[int, ...]) -> None:
    parts = [filled(*shape, value=number) for number, shape in enumerate(shapes)]
    source = {f"emb/weights/part_{number}:0": part for number, part in enumerate(parts)}
    arrays, report = load([slot("emb.kernel", *wanted)], source)
    assert name_of(report) == "emb/weights"
    axis = 0 if wanted[0] > 2 else 1
    np.testing.assert_array_equal(arrays["emb.kernel"], np.concatenate(parts, axis))


@pytest.mark.parametrize("shapes", [{0: (2, 2), 2: (2, 2)}, {0: (2, 3), 1: (3, 2)}, {0: (2,), 1: (2, 2)}])
def test_partitions_that_do_not_fit_together(shapes: dict[int, tuple[int, ...]]) -> None:
    source = {f"emb/weights/part_{number}": filled(*shape) for number, shape in shapes.items()}
    with pytest.raises(WeightsError, match=r"emb\.kernel: the file has no .*; the nearest there: emb/weights/part_"):
        load([slot("emb.kernel", 4, 2)], source)
