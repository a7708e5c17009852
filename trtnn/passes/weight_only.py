"""INT4 weights: the constant matrices of products in 4 bits, dequantized where they are used.

A matrix (k, n) is cut into blocks of `BLOCK` rows, each column of a block with a scale of its own. Activations stay as
they are, so that no calibration is needed; what is gained is size, and speed where reading weights is what takes the
time.
"""

from __future__ import annotations

import numpy as np

from trtnn.graph import DType, Graph, GraphBuilder, Node, Value, rewrite
from trtnn.graph import ops as g
from trtnn.passes.quantize_plan import Keep
from trtnn.passes.scales import LARGEST, positive, rounded

BLOCKS = (128, 64)
"""The rows of a block, the first that divides the matrix; these are what TensorRT takes."""


def quantize_weights_only(graph: Graph, keep: Keep = lambda node: False) -> tuple[Graph, int]:
    """The graph with int4 weights in its products, and how many there are; ``keep`` holds for nodes to leave alone.

    Matrices whose rows no block size divides stay as they are.
    """
    count = 0

    def rule(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> tuple[Value, ...] | None:
        nonlocal count
        held = builder.constant_of(inputs[1]) if isinstance(node.op, g.MatMul) and not keep(node) else None
        if held is None or held.data is None or held.data.ndim != 2 or builder.constant_of(inputs[0]):
            return None
        assert isinstance(node.op, g.MatMul)
        matrix = held.data.T if node.op.transpose_y else held.data
        block = next((size for size in BLOCKS if matrix.shape[0] % size == 0), None)
        if block is None:
            return None
        count += 1
        written, scale = block_quantized(matrix, block)
        raw = builder.add(g.constant(written, held.parameter), (), None, f"{inputs[1].name}.q")
        scales = builder.add(g.constant(scale), (), None, f"{inputs[1].name}.scale")
        weights = builder.add(g.Dequantize(), [raw, scales], node.origin, f"{inputs[1].name}.dq")
        return builder.add_all(g.MatMul(), [inputs[0], weights], node.origin, node.output.name)

    return rewrite(graph, rule), count


def block_quantized(matrix: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(k, n) as int4, and the float32 scales (k / block, n)."""
    rows, columns = matrix.shape
    blocks = matrix.reshape(rows // block, block, columns)
    scale = positive(np.abs(blocks).max(1) / LARGEST[DType.int4])
    return rounded(blocks / scale[:, None], DType.int4).reshape(rows, columns), scale
