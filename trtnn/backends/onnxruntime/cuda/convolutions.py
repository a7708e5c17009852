"""Convolutions in the form that ONNX Runtime's CUDA provider is fast at. What is computed stays the same.

Measured on an H200, ResNet-50 in float16 at batch 128: of 11.9 ms on the GPU, 4.9 were the biases, which cuDNN adds in
kernels of their own at a quarter of the memory's speed.
"""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.graph import Graph, GraphBuilder, Node, Value, rewrite
from trtnn.graph import ops as g
from trtnn.graph.graph import map_bodies
from trtnn.passes.dead import remove_dead


def for_cuda(graph: Graph) -> Graph:
    """The lowered graph with constant biases of convolutions as operations of their own."""

    def rewritten(body: Graph) -> Graph:
        return remove_dead(rewrite(body, _convolution))

    return rewritten(map_bodies(graph, rewritten))


def _convolution(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
    if not isinstance(node.op, g.Conv) or len(inputs) < 3:
        return None
    x, kernel, bias = inputs
    held = builder.producer(bias)
    if held is None or not isinstance(held.op, g.Constant) or held.op.data is None:
        return None
    column = (-held.op.data).reshape(1, -1, *(1,) * len(node.op.strides))
    product = builder.add(node.op, [x, kernel], node.origin, f"{node.output.name}.product")
    negative = builder.add(g.constant(column), [], node.origin, f"{bias.name}.negative")
    # A subtraction, since ONNX Runtime would put what is added back into the convolution.
    return [builder.add(g.Binary("subtract"), [product, negative], node.origin, node.output.name)]
