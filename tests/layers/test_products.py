"""Einstein sums, dot products and embeddings against Keras and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import check, named_inputs, traced
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, listed, same
from trtnn.errors import ArgumentError, ShapeError
from trtnn.graph import ops as g

layers, ops = keras().layers, keras().ops

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
EQUATIONS = [
    "ab,bc->ac",
    "ab,bc->ca",
    "ab,bc",
    "abc,cd->abd",
    "abc,acd->abd",
    "abc,adc->abd",
    "abcd,abed->abce",
    "aecd,abcd->acbe",
    "acbe,aecd->abcd",
    "abc,bcd->ad",
    "abc,cbd->da",
    "ab,ab->ab",
    "ab,a->ab",
    "ab,ab->a",
    "ab,ab->",
    "a,b->ab",
    "ab,b->ab",
    "abc,cde->abde",
    "abc,bc->a",
    "ab,cd->acbd",
    "abc,cd->bd",
]


def operand(labels: str) -> np.ndarray:
    """Random data of the labels' sizes."""
    return data(*(SIZES[label] for label in labels))


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    """Matrix products, batches, outer and elementwise products, sums; with fixed sizes and with named ones."""
    arrays = [operand(labels) for labels in equation.partition("->")[0].split(",")]
    check(lambda *x: F.einsum(equation, *x), lambda *x: np.einsum(equation, *x), arrays)
    named = [nn.Input(*labels) for labels in equation.partition("->")[0].split(",")]
    check(lambda *x: F.einsum(equation, *x), lambda *x: np.einsum(equation, *x), arrays, inputs=named)


@pytest.mark.parametrize(
    "equation", ["ab,bc,cd->ad", "ab,ac,ad->abcd", "a,a,a->", "abc->ca", "abc->b", "ab->ab", "ab,bc,ca->"]
)
def test_einsum_of_one_and_three(equation: str) -> None:
    """One operand is transposed and summed; three are contracted from the left."""
    arrays = [operand(labels) for labels in equation.partition("->")[0].split(",")]
    check(lambda *x: F.einsum(equation, *x), lambda *x: np.einsum(equation, *x), arrays)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...a,ab->...b", [(2, 3, 4), (4, 5)]),
        ("...a,ab", [(2, 3, 4), (4, 5)]),
        ("ab...,bc->ac...", [(2, 3, 4, 5), (3, 6)]),
        ("...ab,...bc->...ac", [(2, 3, 4, 5), (3, 5, 6)]),
        ("...ab,...bc->...ac", [(2, 1, 4, 5), (1, 3, 5, 6)]),
        ("...,...->...", [(2, 3), (3,)]),
        ("... a -> ...", [(2, 3, 4)]),
    ],
)
def test_einsum_with_ellipsis(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """Axes without a name, which broadcast."""
    arrays = [data(*shape) for shape in shapes]
    check(lambda *x: F.einsum(equation, *x), lambda *x: np.einsum(equation, *x), arrays)


def test_a_dense_einsum_is_one_matrix_product() -> None:
    """The activations are not reshaped for it."""
    layer = nn.EinsumDense("abc,cd->abd", (6, 4))
    layer.kernel.assign(data(6, 4))
    graph = layer.compile(nn.Input("batch", "time", 6), target="onnxruntime").graph
    assert [type(node.op) for node in graph.nodes if not isinstance(node.op, g.Constant)] == [g.MatMul]


@pytest.mark.parametrize(
    ("equation", "output", "axes", "kernel", "bias"),
    [
        ("abc,cd->abd", (None, 5), "d", (6, 5), (5,)),
        ("abc,cd->abd", (None, 5), None, (6, 5), None),
        ("abc,cde->abde", (None, 2, 3), "de", (6, 2, 3), (2, 3)),
        ("abc,cde->abde", (None, 2, 3), "d", (6, 2, 3), (2, 1)),
        ("...c,cd->...d", 5, "d", (6, 5), (5,)),
        ("ab...,bc->ac...", (5,), "c", (4, 5), (5, 1)),
        ("abc,bd->adc", (5, 6), "d", (4, 5), (5, 1)),
    ],
)
def test_einsum_dense(equation: str, output: Any, axes: Any, kernel: Any, bias: Any) -> None:
    """Bias axes in the middle, ellipsis on either side."""
    twin = layers.EinsumDense(equation, output, bias_axes=axes)
    same(nn.EinsumDense(equation, kernel, bias), twin, [data(2, 4, 6)], inputs=[nn.Input("batch", 4, 6)])


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("axes", "left", "right"),
    [
        (1, (2, 4), (2, 4)),
        (-1, (2, 3, 4), (2, 5, 4)),
        ((2, 1), (2, 3, 4), (2, 4, 5)),
        ((1, 1), (2, 3, 4), (2, 3)),
        ((1, 2), (2, 4), (2, 3, 4)),
        ((2, 1), (2, 3, 4, 5), (2, 4, 3)),
        ((3, 3), (2, 3, 4, 5), (2, 2, 3, 5)),
    ],
)
def test_dot(axes: Any, left: Any, right: Any, normalize: bool) -> None:
    """Every axis, ranks that differ, vectors, the cosine."""
    layer, twin = nn.Dot(axes, normalize), layers.Dot(axes, normalize)
    arrays = [data(*left), data(*right)]
    inputs = [nn.Input("batch", *shape[1:]) for shape in (left, right)]
    same(layer, twin, arrays, inputs=inputs, twin_call=listed)


@pytest.mark.parametrize("axes", [0, 1, 2, ([1], [0]), ([0, 2], [1, 0]), (2, 0)])
def test_tensordot(axes: Any) -> None:
    """As NumPy's."""
    x = data(4, 3, 4)
    y = data(4, 4, 3) if axes == ([0, 2], [1, 0]) else data(3, 4, 5) if axes in (2, ([1], [0])) else data(4, 3, 5)
    check(lambda x, y: F.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), [x, y])


def test_outer() -> None:
    """As NumPy's, with named sizes."""
    arrays = [data(2, 3), data(4)]
    check(F.outer, np.outer, arrays, inputs=named_inputs(arrays))


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_embedding(dtype: str) -> None:
    """Indices of any rank and type."""
    x = data(2, 5, dtype="int32", low=0, high=8).astype(dtype)
    same(nn.Embedding(9, 4), layers.Embedding(9, 4), [x], [x[:1, :3]], inputs=[nn.Input("batch", "time", dtype=dtype)])
    same(nn.Embedding(9, 4), layers.Embedding(9, 4), [x], call=lambda layer, x: layer(x)[:, 1:])
    layer = nn.Embedding(9, 4)
    check(layer.mask, lambda x: x != 0, [x])


@pytest.mark.parametrize(("tied", "cap"), [(True, None), (False, None), (True, 2.0)])
def test_reversible_embedding(tied: bool, cap: float | None) -> None:
    """There and back again."""
    layer = nn.ReversibleEmbedding(9, 4, tie_weights=tied, logit_soft_cap=cap)
    twin = layers.ReversibleEmbedding(9, 4, tie_weights=tied, logit_soft_cap=cap)
    x = data(2, 5, dtype="int32", low=0, high=8)
    same(layer, twin, [x], call=lambda one, x: one(one(x), reverse=True))


def test_errors() -> None:
    """What is said about equations and sizes that do not fit."""
    x = nn.Input(2, 3)
    for equation, got in (("ab,bc->ac", "'ab,bc->ac'"), ("aa->a", "'aa->a': 'aa'"), ("abc->a", "'abc->a': 'abc'")):
        with pytest.raises(ArgumentError, match=f"einsum: expected .*, got {got}"):
            traced(lambda x, equation=equation: F.einsum(equation, x), [x])
    with pytest.raises(ShapeError, match="einsum: expected one size for 'a' in 'ab,ab->', got 2 and 3"):
        traced(lambda x: F.einsum("ab,ab->", x, x.transpose()), [x])
    with pytest.raises(ShapeError, match="batch_dot: expected axes behind the batch axis, got 0"):
        traced(lambda x: F.batch_dot(x, x, 0), [x])
