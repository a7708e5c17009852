"""Dense layers and matrix products against TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check, fill, named_inputs

tf = tensorflow()


@given(own.shapes(1, 4), own.channels, st.booleans(), own.seeds)
def test_linear(shape: own.Shape, out: int, bias: bool, seed: int) -> None:
    """Positive numbers, so that nothing cancels and the one number of a small result means something."""
    layer = nn.Linear(shape[-1], out, bias=bias)
    fill(layer, seed)
    for parameter in layer.parameters():
        parameter.assign(np.abs(parameter.data))

    def reference(x: np.ndarray) -> np.ndarray:
        y = tf.tensordot(x, layer.kernel.data, 1)
        return y if layer.bias is None else y + layer.bias.data

    x = own.random_array(shape, seed=seed, low=0.5)
    check(layer, reference, [x])
    front = [f"dim_{axis}" for axis in range(len(shape) - 1)]
    larger = own.random_array([size + 2 for size in shape[:-1]] + [shape[-1]], seed=seed, low=0.5)
    check(layer, reference, [x], [larger], inputs=[nn.Input(*front, shape[-1])])


@given(st.data(), st.booleans())
def test_matmul_of_matrices(data: st.DataObject, transpose: bool) -> None:
    """Matrices with any axes in front that broadcast; the second one also stored transposed."""
    signature = "(n,k),(m,k)->(n,m)" if transpose else "(n,k),(k,m)->(n,m)"
    found = data.draw(hnp.mutually_broadcastable_shapes(signature=signature, max_dims=2, min_side=1, max_side=4))
    x, y = (own.random_array(shape, seed=i) for i, shape in enumerate(found.input_shapes))
    check(
        lambda x, y: F.matmul(x, y, transpose_y=transpose),
        lambda x, y: tf.matmul(x, y, transpose_b=transpose),
        [x, y],
    )


@pytest.mark.parametrize("constant", ["none", "first", "second"])
@given(st.data())
def test_matmul_operator(constant: str, data: st.DataObject) -> None:
    """``@`` on vectors, matrices and stacks of them, as NumPy means it, which TensorFlow lacks; with constants too."""
    shapes = data.draw(
        hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=4)
    ).input_shapes
    x, y = (own.random_array(shape, seed=i) for i, shape in enumerate(shapes))
    if constant == "none":
        check(lambda x, y: x @ y, np.matmul, [x, y])
    elif constant == "first":
        check(lambda y: x @ y, lambda y: np.matmul(x, y), [y])
    else:
        check(lambda x: x @ y, lambda x: np.matmul(x, y), [x])


@pytest.mark.parametrize("transpose", [False, True])
def test_matmul_of_vectors(transpose: bool) -> None:
    """A vector in front is a row; behind it is a column, or with ``transpose_y`` the one row of y."""
    matrix, vector = own.random_array((4, 4)), own.random_array((4,))
    stored = matrix.T if transpose else matrix
    check(lambda x, y: F.matmul(x, y, transpose), lambda x, y: x @ stored, [vector, matrix])
    check(lambda x, y: F.matmul(x, y, transpose), lambda x, y: x @ y, [matrix, vector])
    check(lambda x, y: F.matmul(x, y, transpose), lambda x, y: x @ y, [vector, vector])


def test_matmul_with_every_size_named() -> None:
    """Sizes of one name are equal; the axes in front broadcast where they are known to be 1."""
    x, y = nn.Input("batch", "heads", "n", "k"), nn.Input("batch", 1, "k", "m")

    def arrays(batch: int, heads: int, n: int, k: int, m: int) -> list[np.ndarray]:
        return [own.random_array((batch, heads, n, k)), own.random_array((batch, 1, k, m))]

    check(F.matmul, tf.matmul, arrays(1, 2, 3, 4, 5), arrays(3, 1, 1, 2, 1), inputs=[x, y])
    check(
        lambda x: x @ x.transpose(1, 0),
        lambda x: x @ x.T,
        [own.random_array((3, 4))],
        inputs=named_inputs([own.random_array((3, 4))]),
    )
