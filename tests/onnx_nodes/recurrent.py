"""LSTM, GRU, RNN and Scan nodes, written with trtnn's functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

import trtnn.functional as F
from onnx_nodes.reader import Node, NotApplicable, Reader, reads
from trtnn.graph import Value
from trtnn.tensor import Tensor
from trtnn.trace import Tracer

ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}  # where our gates stand in ONNX's
NAMES = ("x", "W", "R", "B", "lengths", "h", "c", "P")


@reads("LSTM", "GRU", "RNN")
def _(reader: Reader, node: Node) -> tuple[Value, ...]:
    node.require(activations=None, clip=None, input_forget=0)
    tracer = Tracer(reader.builder)
    given = {
        name: Tensor(tracer, reader.value(node.inputs[i]))
        for i, name in enumerate(NAMES[: len(node.inputs)])
        if node.has(i)
    }
    batch_major = bool(node.get("layout", 0))
    x = given["x"] if batch_major else given["x"].transpose(1, 0, 2)
    directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[
        node.get("direction", "forward")
    ]
    results = [_direction(node, given, x, d, reverse, batch_major) for d, reverse in enumerate(directions)]
    outputs, *states = (F.stack(parts, 1) for parts in zip(*results, strict=True))  # (B, D, T, H), (B, D, H)
    outputs = outputs.transpose(0, 2, 1, 3) if batch_major else outputs.transpose(2, 1, 0, 3)
    states = states if batch_major else [one.transpose(1, 0, 2) for one in states]
    return tuple(one.value for one in (outputs, *states))


def _direction(
    node: Node, given: dict[str, Tensor], x: Tensor, d: int, reverse: bool, batch_major: bool
) -> tuple[Tensor, ...]:
    order, units = ORDERS[node.kind], node.get("hidden_size")

    def gates(weight: Tensor) -> Tensor:
        """(n * H, ...) in our order."""
        apart = weight.reshape(len(order), units, -1)
        return F.take(apart, np.array(order)).reshape(weight.shape)

    kernel, recurrent_kernel = (gates(given[name][d]).transpose() for name in ("W", "R"))
    options: dict[str, Any] = {"reverse": reverse, "mask_policy": "zero", "lengths": given.get("lengths")}
    start = [given[name][:, d] if batch_major else given[name][d] for name in ("h", "c") if name in given]
    biases = F.split(given["B"][d], 2) if "B" in given else None
    bias = None if biases is None else gates(biases[0]) + gates(biases[1])
    if node.kind == "LSTM":
        if "P" in given:
            options["peepholes"] = F.take(given["P"][d].reshape(3, units), np.array([0, 2, 1]))
        return F.lstm(x, kernel, recurrent_kernel, bias, initial_state=start or None, **options)
    options["initial_state"] = start[0] if start else None
    if node.kind == "RNN":
        return F.simple_rnn(x, kernel, recurrent_kernel, bias, **options)
    after = bool(node.get("linear_before_reset", 0))
    bias = F.stack([gates(one) for one in biases]) if biases and after else bias
    return F.gru(x, kernel, recurrent_kernel, bias, reset_after=after, **options)


@reads("Scan")
def _(reader: Reader, node: Node) -> tuple[Value, ...]:
    if reader.opset < 9:
        raise NotApplicable("Scan of opset 8, which has a batch axis of its own")
    count, body = node.get("num_scan_inputs"), node.get("body")
    states = len(node.inputs) - count
    axes = {*node.get("scan_input_axes", [0] * count), *node.get("scan_output_axes", [0])}
    turned = {*node.get("scan_input_directions", [0] * count), *node.get("scan_output_directions", [0])}
    if len(axes) > 1 or len(turned) > 1:
        raise NotApplicable("Scan with several axes or directions")
    tracer = Tracer(reader.builder)
    operands = [Tensor(tracer, value) for value in reader.operands(node)]

    def step(state: tuple[Tensor, ...], slices: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        results = _read_body(body, reader, [*state, *slices])
        return results[:states], results[states:]

    last, stacked = F.scan(
        step, tuple(operands[states:]), tuple(operands[:states]), axis=axes.pop(), reverse=bool(turned.pop())
    )
    return tuple(one.value for one in (*last, *stacked))


def _read_body(graph: onnx.GraphProto, around: Reader, operands: list[Tensor]) -> tuple[Tensor, ...]:
    tracer = operands[0].tracer
    inner = Reader(helper.make_model(graph, opset_imports=[helper.make_opsetid("", around.opset)]), {})
    inner.builder = tracer.builder
    inner._values.update({one.name: tensor.value for one, tensor in zip(graph.input, operands, strict=True)})
    for proto in graph.node:
        inner._read_node(proto)
    return tuple(Tensor(tracer, inner.value(one.name)) for one in graph.output)
