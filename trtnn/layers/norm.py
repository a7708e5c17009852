"""Normalization layers."""

from __future__ import annotations

import numpy as np

from trtnn import functional as F
from trtnn.functional.operands import number, positive_int
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "BatchNorm",
]


class BatchNorm(Module):
    """``(x - moving_mean) / sqrt(moving_variance + eps) * gamma + beta`` along the channel axis; all weights (C,).

    ``eps`` is 1e-3 in Keras and ``tf.v1.layers``. ``scale=False`` leaves out gamma and ``center=False`` beta, as in
    Keras. ``axis`` is the channel axis: -1 for channels last, 1 for channels first.
    """

    def __init__(
        self,
        features: int,
        eps: float = 1e-3,
        axis: int = -1,
        scale: bool = True,
        center: bool = True,
        name: str | None = None,
    ) -> None:
        shape = (positive_int("features", features),)
        self.gamma = Parameter(shape) if scale else None
        self.beta = Parameter(shape) if center else None
        self.moving_mean = Parameter(shape)
        self.moving_variance = Parameter(shape)
        self.eps, self.axis, self.name = number("eps", eps, least=0), axis, name

    def forward(self, x: Tensor) -> Tensor:
        """x with the channels on ``axis``."""
        shape = self.moving_mean.shape
        gamma = np.ones(shape, np.float32) if self.gamma is None else self.gamma
        beta = np.zeros(shape, np.float32) if self.beta is None else self.beta
        return F.batch_norm(x, gamma, beta, self.moving_mean, self.moving_variance, eps=self.eps, axis=self.axis)

    def describe(self) -> str:
        """Channels, epsilon and the options that are not the default."""
        said = [str(self.moving_mean.shape[0]), f"eps={self.eps:g}"]
        said += [f"axis={self.axis}"] if self.axis != -1 else []
        said += ["scale=False"] if self.gamma is None else []
        return ", ".join(said + (["center=False"] if self.beta is None else []))
