"""Defining custom ops: attributes, operands, names, and every definition that makes no sense."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import numpy as np
import pytest
from core.failing import failure, failure_inside

import trtnn as nn
import trtnn.functional as F
from trtnn.custom import CustomOp, custom_of, find, require_registered, required_ops
from trtnn.errors import ArgumentError, CustomOpError
from trtnn.graph import TensorType

from .ops import BiasSwish, ReferenceSwish, swish


class Same:
    """A body for classes that only differ in their attributes."""

    def decompose(self, x: nn.Tensor) -> nn.Tensor:
        return x + 1.0


def define(name: str = "tests::temporary", **members: Any) -> Any:
    """A class of these members, defined; its annotations are given as ``__annotations__``."""
    return nn.custom_op(name)(type("Temporary", (), members))


def test_a_class_becomes_a_frozen_attrs_class() -> None:
    op = BiasSwish(beta=2)
    assert (op.beta, repr(op), op == BiasSwish(2.0), hash(op) == hash(BiasSwish(2.0))) == (
        2.0,
        "BiasSwish(beta=2.0)",
        True,
        True,
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        op.beta = 3.0
    assert custom_of(op) == custom_of(BiasSwish(np.float32(2)))
    assert custom_of(op).attributes == {"beta": 2.0}
    assert str(custom_of(op)) == "tests::bias_swish(beta=2.0)"
    assert custom_of(BiasSwish) == CustomOp(custom_of(op).definition, BiasSwish())


def test_a_function_keeps_its_name_and_text() -> None:
    assert swish.__name__ == "swish"
    assert swish.__doc__ == "A decomposition and nothing else."
    assert custom_of(swish).attributes == {"beta": 1.0}
    assert custom_of(swish).definition.forms == ("decompose",)


def test_ops_are_pickled_and_copied() -> None:
    assert pickle.loads(pickle.dumps(swish)) is swish and copy.deepcopy(swish) is swish
    again = pickle.loads(pickle.dumps(BiasSwish(beta=2.0)))
    assert custom_of(again) == custom_of(BiasSwish(beta=2.0)) == custom_of(copy.deepcopy(again))


def test_attributes_of_every_type() -> None:
    kinds = {"a": "int", "b": "bool", "c": "str", "d": "tuple[int, ...]", "e": tuple[float, str]}
    op = define("tests::attributes", __annotations__=kinds, decompose=Same.decompose)(
        a=np.int64(3), b=True, c="x", d=[1, 2], e=(1, "y")
    )
    assert (op.a, op.b, op.c, op.d, op.e) == (3, True, "x", (1, 2), (1.0, "y"))
    assert isinstance(hash(op), int)
    assert type(op.a) is int


@pytest.mark.parametrize("kind", [tuple, list, list[int]])
def test_a_sequence_says_what_it_holds(kind: Any) -> None:
    members = {"__annotations__": {"table": kind}, "decompose": Same.decompose}
    failure(CustomOpError, "say what it holds: tuple[int, ...]", lambda: define(**members))


SAVABLE = "int, float, bool, str, or a tuple of these"


@pytest.mark.parametrize("kind", [np.ndarray, list[int], "dict", object, tuple, "Undefined", tuple[list[int], ...]])
def test_an_attribute_that_cannot_be_saved(kind: Any) -> None:
    members = {"__annotations__": {"table": kind}, "decompose": Same.decompose}
    error = failure(CustomOpError, SAVABLE, lambda: define(**members))
    assert str(error).startswith("tests::temporary.table: ")
    assert find("tests::temporary") is None


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("float", "x", "expected float, got 'x' of type str"),
        ("float", float("nan"), "expected float, got nan of type float"),
        ("int", 1.5, "expected int, got 1.5 of type float"),
        ("int", True, "expected int, got True of type bool"),
        ("str", None, "expected str, got None of type NoneType"),
        ("tuple[int, int]", (1,), "expected tuple[int, int], got (1,) of type tuple"),
        ("tuple[int, ...]", 1, "expected tuple[int, ...], got 1 of type int"),
    ],
)
def test_a_value_of_another_type(kind: str, value: Any, said: str) -> None:
    made = define("tests::typed", __annotations__={"a": kind}, decompose=Same.decompose)
    assert str(failure(ArgumentError, said, lambda: made(a=value))).startswith("tests::typed.a: ")
    members = {"__annotations__": {"a": kind}, "a": value, "decompose": Same.decompose}
    failure(ArgumentError, said, lambda: define("tests::default", **members))


def test_attributes_of_a_function() -> None:
    network = nn.Module.__new__(type("Net", (nn.Module,), {"forward": lambda self, x=nn.Input(2): swish(x, gamma=1)}))
    text = "tests::swish: got an unexpected keyword argument 'gamma'; expected the attributes beta"
    failure(ArgumentError, text, network.trace)

    @nn.custom_op("tests::needs")
    def needs(x: nn.Tensor, *, power: int) -> nn.Tensor:
        return x * float(power)

    text = "tests::needs: missing a required argument: 'power'; expected the attributes power"
    failure(ArgumentError, text, lambda: needs(np.ones(2)))


def test_attributes_of_a_class() -> None:
    text = "tests::bias_swish: got an unexpected keyword argument 'gamma'; expected the attributes beta"
    failure(ArgumentError, text, lambda: BiasSwish(gamma=1.0))
    failure(ArgumentError, "too many positional arguments; expected the attributes", lambda: BiasSwish(1.0, 2.0))
    text = (
        "tests::bias_swish: is given tensors in the place of its attributes; make the op first, then call it: "
        "BiasSwish(...)(x)"
    )
    failure_inside(CustomOpError, text, lambda x: BiasSwish(x))
    wrong = "tests::bias_swish.beta: expected float, got 'a' of type str"
    failure_inside(ArgumentError, wrong, lambda x: BiasSwish(beta="a")(x, x))
    failure_inside(CustomOpError, text, lambda x: BiasSwish(x, x))
    text = "tests::bias_swish: expected operands by position (x, bias), got bias; attributes go to BiasSwish(...)"
    failure_inside(ArgumentError, text, lambda x: BiasSwish()(x, bias=x))


@pytest.mark.parametrize("name", ["swish", "a::b::c", "::x", "a::", "a-b::c", "", 3])
def test_a_name_without_a_namespace(name: Any) -> None:
    failure(CustomOpError, 'expected a name such as "acme::swish": namespace::name', lambda: nn.custom_op(name))


def test_a_name_registered_twice() -> None:
    text = (
        "tests::swish: is registered twice: by custom.ops.swish and by custom.test_definitions.Temporary; give one of "
        "them another name"
    )
    failure(CustomOpError, text, lambda: define("tests::swish", decompose=Same.decompose))
    assert find("tests::swish") is swish.custom_op_definition


def test_the_same_definition_again_takes_the_place_of_the_old() -> None:
    """As when a notebook's cell runs again, or a module is reloaded."""
    first, second = (define("tests::again", decompose=Same.decompose) for _ in range(2))
    assert first is not second
    assert find("tests::again") is second.custom_op_definition


def named_as_a_form(x: Any, *, decompose: int = 1) -> Any:
    """An attribute that would hide the decomposition."""


def no_operands() -> None:
    """No operand."""


def with_default(x: Any, y: Any = 1) -> None:
    """An operand with a default."""


def untyped(x: Any, *, beta: Any) -> Any:
    """An attribute that is no attribute's type."""


del untyped.__annotations__["beta"]

BAD: list[tuple[str, dict[str, Any]]] = [
    ("has no form that a target could run; write decompose (trtnn functions), reference (NumPy) or kernels", {}),
    (
        "has no infer, and no decompose whose tracing would give the results' types; write infer",
        {"reference": lambda self, x: x},
    ),
    (
        "expected reference to take the operands of decompose (x), got x, y",
        {"decompose": Same.decompose, "reference": lambda self, x, y: x},
    ),
    ("expected at least one operand, got none", {"decompose": lambda self: 1}),
    ("expected operands without defaults", {"decompose": lambda self, x, y=1: 1}),
    ("expected operands without defaults", {"decompose": lambda self, x, **rest: 1}),
    ("sizes: expected a tuple of Dims", {"infer": lambda self, x: x, "reference": lambda self, x: x, "sizes": "n"}),
    ("has sizes of its own and a decomposition", {"decompose": Same.decompose, "sizes": (nn.Dim("n"),)}),
    ("has an __init__ of its own", {"decompose": Same.decompose, "__init__": lambda self: None}),
    ("has an __call__ of its own", {"decompose": Same.decompose, "__call__": lambda self, x: x}),
    *(
        (".decompose: expected a plain method, which takes self and the operands, got ", {"decompose": member})
        for member in (3, staticmethod(lambda x: x), classmethod(lambda kind, x: x))
    ),
    *(
        (".kernels: expected a tuple of CudaKernel and TritonKernel", {"decompose": Same.decompose, "kernels": member})
        for member in (3, (object(),), nn.CudaKernel(source="", entry="e", grid=1, dtypes="float32"))
    ),
    *(
        (f".{word}: cannot be the name of an attribute", {"decompose": Same.decompose, "__annotations__": {word: int}})
        for word in ("sizes", "_table", "infer")
    ),
]


@pytest.mark.parametrize(("text", "members"), BAD)
def test_a_class_that_makes_no_sense(text: str, members: dict[str, Any]) -> None:
    error = failure(CustomOpError, text, lambda: define(**members))
    assert str(error).startswith("tests::temporary")
    assert error.line is not None and error.line.code == 'return nn.custom_op(name)(type("Temporary", (), members))'
    assert find("tests::temporary") is None


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("expected at least one operand, got none", no_operands),
        ("expected operands without defaults, and attributes after *", with_default),
        ("tests::temporary.beta: an attribute needs a type; annotate it", untyped),
        ("expected a function or a class, got 3", 3),
        ("tests::temporary.decompose: cannot be the name of an attribute", named_as_a_form),
    ],
)
def test_a_function_that_makes_no_sense(text: str, function: Any) -> None:
    failure(CustomOpError, text, lambda: nn.custom_op("tests::temporary")(function))


def test_types_that_are_none() -> None:
    for types in (["int8"], "int8", (), 3, ["floaty"]):
        text = f"a::b: dtypes: expected floating-point types, got {types!r}"
        error = failure(ArgumentError, text, lambda types=types: nn.custom_op("a::b", dtypes=types))
        assert error.line is not None and "nn.custom_op" in error.line.code


def test_what_is_no_custom_op() -> None:
    text = "expected what trtnn.custom_op made, or an instance of it"
    with pytest.raises(CustomOpError, match=text):
        custom_of(F.relu)
    with pytest.raises(CustomOpError, match="a subclass needs it as well"):
        custom_of(type("Sub", (BiasSwish,), {})())


class Two(nn.Module):
    """Two ops, one in a loop."""

    def forward(self, x: nn.Tensor = nn.Input(2, 3, 4)) -> nn.Tensor:
        def step(state: nn.Tensor, row: nn.Tensor) -> tuple[nn.Tensor, nn.Tensor]:
            new = swish(row) + state
            return new, new

        _, rows = F.scan(step, x, x[:, 0] * 0.0)
        return ReferenceSwish()(rows)


def test_the_ops_that_a_graph_needs() -> None:
    needed = required_ops(Two().trace())
    assert needed == {"tests::reference_swish": "custom.ops.ReferenceSwish", "tests::swish": "custom.ops.swish"}
    require_registered(needed, "a.plan")
    missing = needed | {"acme::gone": "acme.ops.gone", "acme::lost": "acme.ops.lost"}
    text = (
        "a.plan: needs the custom ops acme::gone, acme::lost, not registered here; import what defines it first: "
        "acme.ops.gone, acme.ops.lost"
    )
    failure(CustomOpError, text, lambda: require_registered(missing, "a.plan"))


def test_a_type_is_not_traced_again() -> None:
    calls = []

    @nn.custom_op("tests::counted")
    def counted(x: nn.Tensor) -> nn.Tensor:
        calls.append(1)
        return x * 2.0

    op = custom_of(counted)
    for _ in range(3):
        op.infer(TensorType(nn.graph.DType.float32, (2, 3)))
    assert len(calls) == 1
