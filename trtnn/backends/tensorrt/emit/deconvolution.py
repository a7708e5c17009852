"""Emitter of transposed convolution."""

from __future__ import annotations

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.emit.nn import as_image, conv_weights, from_image, two_axes
from trtnn.backends.tensorrt.emit.operands import per_channel
from trtnn.backends.tensorrt.emit.slicing import pad
from trtnn.graph import Node
from trtnn.graph.ops import ConvTranspose


@emit_op.register(ConvTranspose)
def conv_transpose(op: ConvTranspose, node: Node, net: Emitter) -> Tensor:
    """x (N, in, *spatial), kernel (in, out, *spatial); zeros behind the result come before the bias is added."""
    x, _ = as_image(net, net.tensor(node.inputs[0]), node.inputs[0].type.shape)
    inputs, out, *kernel_size = node.inputs[1].type.shape
    window = two_axes(tuple(kernel_size), 1)
    before, after = zip(*two_axes(op.crops, (0, 0)), strict=True)
    kernel, bias, tensors = conv_weights(net, node, (inputs, out, *window))
    appended = [max(-amount, 0) for amount in after]
    late_bias = any(appended) and len(node.inputs) > 2
    if late_bias:
        bias = net.trt.Weights(net.element_type(node.output.type.dtype))
        tensors = {index: tensor for index, tensor in tensors.items() if index != 2}
    y = net.add(
        "deconvolution_nd",
        x,
        out,
        window,
        kernel,
        bias,
        inputs=tensors,
        stride_nd=two_axes(op.strides, 1),
        dilation_nd=two_axes(op.dilations, 1),
        pre_padding=before,
        post_padding=[max(amount, 0) for amount in after],
    )
    shape = node.output.type.shape
    image = shape if len(shape) > 3 else (*shape[:2], 1, shape[2])
    if any(appended):
        cropped = tuple(size - more for size, more in zip(image, (0, 0, *appended), strict=True))
        ends = [(0, 0), (0, 0), *((0, more) for more in appended)]
        y = pad(net, y, cropped, ends, "FILL", net.number(0, node.output.type.dtype, 0))
    if late_bias:
        y = net.elementwise("SUM", y, per_channel(net, node.inputs[2], len(image)))
    return from_image(net, y, shape)
