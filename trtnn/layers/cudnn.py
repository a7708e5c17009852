"""The recurrent layers that Keras 2 had for cuDNN: `LSTM` and `GRU` with weights in cuDNN's layout.

Files of such layers can be loaded as they are. The conversion below is what Keras does on loading: every gate's
recurrent kernel is transposed, every gate's kernel (I, H) is read as (H, I) and transposed, and the two biases, of the
input and of the recurrent part, stand one after the other. The passes compute it once, when the model is compiled.
"""

from __future__ import annotations

from typing import Any, Unpack

from trtnn import functional as F
from trtnn.layers.cells import Cell, State
from trtnn.layers.recurrent import LayerOptions, Recurrent
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["CuDNNGRU", "CuDNNLSTM"]


class CuDNNLSTM(Recurrent, Cell):
    """An LSTM from cuDNN-format weights: kernel (input_size, 4H), recurrent_kernel (H, 4H), bias (8H,).

    Gates i, f, c, o; activations are tanh and sigmoid. Otherwise as `LSTM`.
    """

    def __init__(self, input_size: int, hidden_size: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        _add_weights(self, input_size, hidden_size, 4)
        self.state_size = (hidden_size, hidden_size)

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One LSTM operation."""
        kernel, recurrent_kernel, bias = _converted(self, x, 4)
        outputs, h, c = F.lstm(x, kernel, recurrent_kernel, bias.sum(0), initial_state=initial, **options)
        return outputs, (h, c)


class CuDNNGRU(Recurrent, Cell):
    """A GRU, with ``reset_after``, from cuDNN-format weights: kernel (input_size, 3H), recurrent_kernel (H, 3H), bias
    (6H,).

    Gates z, r, h; activations are tanh and sigmoid. Otherwise as `GRU`.
    """

    def __init__(self, input_size: int, hidden_size: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        _add_weights(self, input_size, hidden_size, 3)
        self.state_size = hidden_size

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One GRU operation."""
        return F.gru(x, *_converted(self, x, 3), initial_state=initial, **options)


def _add_weights(layer: Any, input_size: int, hidden_size: int, gates: int) -> None:
    layer.kernel = Parameter((input_size, gates * hidden_size), layout="cuDNN's")
    layer.recurrent_kernel = Parameter((hidden_size, gates * hidden_size), layout="cuDNN's")
    layer.bias = Parameter((2 * gates * hidden_size,))


def _converted(layer: Any, x: Tensor, gates: int) -> tuple[Tensor, Tensor, Tensor]:
    """kernel (I, gates * H), recurrent_kernel (H, gates * H) and bias (2, gates * H) in Keras's layout."""
    kernel, recurrent_kernel, bias = (x.tracer.lift(one) for one in (layer.kernel, layer.recurrent_kernel, layer.bias))
    inputs, units = layer.kernel.shape[0], layer.recurrent_kernel.shape[0]
    by_gate = kernel.reshape(inputs, gates, units).transpose(1, 0, 2).reshape(gates, units, inputs)
    recurrent_by_gate = recurrent_kernel.reshape(units, gates, units)
    return (
        by_gate.transpose(2, 0, 1).reshape(inputs, gates * units),
        recurrent_by_gate.transpose(2, 1, 0).reshape(units, gates * units),
        bias.reshape(2, gates * units),
    )
