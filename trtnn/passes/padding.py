"""Padding fusion: zeros that an operation of their own puts around an image become the padding of the convolution or
maximum that follows, as with Keras's ZeroPadding2D.

A convolution pads with zeros itself. A maximum pads with -inf, which is the same where nothing is below zero, as after
a ReLU, when every window holds at least one real element.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from trtnn.graph import Graph, GraphBuilder, Node, Value, rewrite
from trtnn.graph import ops as g
from trtnn.graph.ops.nn import split_kernel
from trtnn.graph.windows import Pairs, extent, resolve

_NOT_NEGATIVE = ("relu", "sigmoid", "hard_sigmoid", "softplus")


def fuse_padding(graph: Graph) -> Graph:
    """The graph with the zeros around images in the padding of what uses them; the old Pads are left dead."""
    return rewrite(graph, _fuse)


def _fuse(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
    op = node.op
    if not isinstance(op, (g.Conv, g.Pool)):
        return None
    before = builder.producer(inputs[0])
    if before is None or not isinstance(before.op, g.Pad):
        return None
    added = _zeros(before.op, op.channels_first)
    if added is None or (isinstance(op, g.Pool) and not _pads_with_zeros(op, builder.producer(before.inputs[0]))):
        return None
    own, spans = _windows(op, inputs)
    if own is None:
        return None
    padding = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, added, strict=True))
    if any(max(pair) >= span for pair, span in zip(padding, spans, strict=True)):
        return None
    fused = attrs.evolve(op, padding=padding)
    return builder.add_all(fused, (before.inputs[0], *inputs[1:]), node.origin, node.output.name)


def _zeros(pad: g.Pad, channels_first: bool) -> Pairs | None:
    """The zeros before and after each spatial axis; None when it pads with something else, elsewhere, or by amounts
    that are not known."""
    spatial = pad.pairs[2:] if channels_first else pad.pairs[1:-1]
    others = (pad.pairs[0], pad.pairs[1] if channels_first else pad.pairs[-1])
    if pad.mode != "constant" or pad.value != 0 or others != ((0, 0), (0, 0)):
        return None
    known = tuple((a, b) for a, b in spatial if isinstance(a, int) and isinstance(b, int))
    return known if len(known) == len(spatial) else None


def _pads_with_zeros(op: g.Pool, source: Node | None) -> bool:
    """Whether -inf around what the source makes has the effect of zeros."""
    if op.kind != "max" or source is None or not isinstance(source.op, g.Activation):
        return False
    return source.op.kind in _NOT_NEGATIVE or (source.op.kind == "clip" and source.op.alpha >= 0)


def _windows(op: g.Conv | g.Pool, inputs: tuple[Value, ...]) -> tuple[Pairs | None, list[int]]:
    """The op's own padding, None when it depends on sizes that are not known, and the elements that a window spans."""
    if isinstance(op, g.Conv):
        window, dilations = split_kernel(inputs[1].type.shape, op.channels_first)[2], op.dilations
    else:
        window, dilations = op.window, (1,) * len(op.window)
    sizes = inputs[0].type.shape[2:] if op.channels_first else inputs[0].type.shape[1:-1]
    spans = [extent(k, d) for k, d in zip(window, dilations, strict=True)]
    return resolve(op.padding, sizes, window, op.strides, dilations), spans
