"""Keras's convolutional LSTM: an LSTM whose products are convolutions."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.cells import activate
from trtnn.functional.operands import per_axis
from trtnn.functional.recurrent import masked_scan, valid_steps
from trtnn.graph.dims import product
from trtnn.layers.recurrent import LayerOptions, Recurrent
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["ConvLSTM1d", "ConvLSTM2d"]


class _ConvLSTM(Recurrent):
    """x (B, T, *spatial, in), or (B, T, in, *spatial) with channels first; see `ConvLSTM2d`."""

    spatial: int

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int | tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: Any = "valid",
        dilation: int | tuple[int, ...] = 1,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        data_format: Any = "channels_last",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if self.time_major:
            raise ArgumentError(type(self).__name__, expected="batch-major sequences", got="time_major=True")
        window = per_axis("kernel_size", kernel_size, self.spatial)
        scope = f"conv_lstm{self.spatial}d_cell"

        def weight(name: str, *shape: int) -> Parameter:
            return Parameter(shape, aliases=(f"{scope}/{name}", f"cell/{name}"))

        self.kernel = weight("kernel", *window, in_channels, 4 * filters)
        self.recurrent_kernel = weight("recurrent_kernel", *window, filters, 4 * filters)
        self.bias = weight("bias", 4 * filters) if use_bias else None
        self.stride, self.padding, self.dilation, self.data_format = stride, padding, dilation, data_format
        self.activation, self.recurrent_activation = activation, recurrent_activation

    def run(
        self, x: Tensor, initial_state: Any, lengths: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """(all outputs in the order of x, the last output, [h, c])."""
        rows = self._convolved(x)
        blank = self._zeros(rows)
        initial = (blank, blank) if initial_state is None else tuple(initial_state)
        outputs, states = masked_scan(
            self._step,
            rows,
            initial,
            valid_steps(x, lengths, mask),
            policy=self.mask_policy,
            blank=blank,
            reverse=self.go_backwards,
        )
        return outputs, outputs[:, 0 if self.go_backwards else -1], list(states)

    def _convolved(self, x: Tensor) -> Tensor:
        """The gates' input parts of all steps (B, T, ...), by one convolution of B * T images."""
        batch, steps = x.shape[:2]
        images = F.conv(
            x.reshape(product((batch, steps)), *x.shape[2:]),
            self.kernel,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            data_format=self.data_format,
        )
        return images.reshape(batch, steps, *images.shape[1:])

    @property
    def _channels(self) -> int:
        """The channel axis of an image."""
        return 1 if self.data_format == "channels_first" else 1 + self.spatial

    def _zeros(self, rows: Tensor) -> Tensor:
        shape = [rows.shape[0], *rows.shape[2:]]
        shape[self._channels] = self.recurrent_kernel.shape[-2]
        return F.broadcast_to(rows.tracer.lift(np.zeros((1,) * len(shape), rows.dtype.numpy)), shape)

    def _step(self, state: tuple[Tensor, Tensor], x_t: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, c = state
        product_with_h = F.conv(h, self.recurrent_kernel, padding="same", data_format=self.data_format)
        i, f, g, o = F.split(x_t + product_with_h, 4, self._channels)
        i, f, o = (activate(gate, self.recurrent_activation) for gate in (i, f, o))
        c = f * c + i * activate(g, self.activation)
        h = o * activate(c, self.activation)
        return (h, c), h


class ConvLSTM1d(_ConvLSTM):
    """Keras's ConvLSTM1D: x (B, T, W, in), kernel (kw, in, 4F), recurrent_kernel (kw, F, 4F). See `ConvLSTM2d`."""

    spatial = 1


class ConvLSTM2d(_ConvLSTM):
    """Keras's ConvLSTM2D: x (B, T, H, W, in), kernel (kh, kw, in, 4F), recurrent_kernel (kh, kw, F, 4F), bias (4F,).

    Gates i, f, c, o. The output and the states h and c are (B, H', W', F): the input convolution has the stride,
    padding and dilation, the recurrent one keeps the size. ``options`` are those of `Recurrent` but ``time_major``.
    The recurrent activation is Keras 3's sigmoid; Keras 2 had "hard_sigmoid_keras2".
    """

    spatial = 2
