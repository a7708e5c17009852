"""Layers that normalize by statistics of the activations themselves."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.nn import DataFormat, is_channels_first
from trtnn.functional.operands import number, positive_int
from trtnn.graph.dims import is_int
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm", "UnitNorm"]


def _as_shape(what: str, features: int | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(positive_int(what, one) for one in (features if isinstance(features, (tuple, list)) else (features,)))


class LayerNorm(Module):
    """``(x - mean) / sqrt(variance + eps) * gamma + beta``, mean and biased variance over ``axis``, one or several.

    ``features`` are the sizes of x on the axes, in ascending order: the shape of gamma and beta. ``scale=False`` leaves
    out gamma and ``center=False`` beta. ``rms_scaling`` is Keras's deprecated option: ``x / sqrt(variance + eps) *
    gamma``.
    """

    def __init__(
        self,
        features: int | tuple[int, ...],
        eps: float = 1e-3,
        axis: int | tuple[int, ...] = -1,
        scale: bool = True,
        center: bool = True,
        rms_scaling: bool = False,
        name: str | None = None,
    ) -> None:
        shape = _as_shape("features", features)
        if len(shape) != (len(axis) if isinstance(axis, (tuple, list)) else 1):
            raise ArgumentError(
                "LayerNorm", expected="one size in features for every axis", got=f"{features} for {axis}"
            )
        self.gamma = Parameter(shape) if scale or rms_scaling else None
        self.beta = Parameter(shape) if center and not rms_scaling else None
        self.axis = tuple(axis) if isinstance(axis, (tuple, list)) else axis
        self.features, self.eps, self.rms_scaling, self.name = shape, number("eps", eps, least=0), rms_scaling, name

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape with the features on ``axis``."""
        if not self.rms_scaling:
            return F.layer_norm(x, self.gamma, self.beta, axis=self.axis, eps=self.eps)
        axes = sorted(axis % x.ndim for axis in (self.axis if isinstance(self.axis, tuple) else (self.axis,)))
        shape = [size if i in axes else 1 for i, size in enumerate(x.shape)]
        y = x * F.rsqrt(F.var(x, axes, keepdims=True) + self.eps)
        return y * F.reshape(x.tracer.lift(self.gamma), shape)

    def describe(self) -> str:
        """Features, epsilon and the options that are not the default."""
        return listed(
            self.features[0] if len(self.features) == 1 else self.features,
            f"eps={self.eps:g}",
            axis=(self.axis, -1),
            scale=(self.gamma is not None, True),
            center=(self.beta is not None or self.rms_scaling, True),
            rms_scaling=(self.rms_scaling, False),
        )


class GroupNorm(Module):
    """Groups of channels normalized, each over its channels and everything but the batch, then ``* gamma + beta`` (C,).

    ``groups`` divides ``features``; -1 makes every channel its own group: instance normalization. Raises ArgumentError.
    """

    def __init__(
        self,
        features: int,
        groups: int = 32,
        eps: float = 1e-3,
        scale: bool = True,
        center: bool = True,
        data_format: DataFormat = "channels_last",
        name: str | None = None,
    ) -> None:
        channels = positive_int("features", features)
        if not is_int(groups) or groups == 0 or groups < -1 or channels % groups:
            raise ArgumentError(
                "GroupNorm", expected=f"groups that divide {channels} features, or -1", got=repr(groups)
            )
        is_channels_first(data_format)
        self.gamma = Parameter((channels,)) if scale else None
        self.beta = Parameter((channels,)) if center else None
        self.features, self.groups, self.eps = channels, groups, number("eps", eps, least=0)
        self.data_format, self.name = data_format, name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C), or (N, C, *spatial) with channels first."""
        return F.group_norm(x, self.groups, self.gamma, self.beta, eps=self.eps, data_format=self.data_format)

    def describe(self) -> str:
        """Features, groups, epsilon and the options that are not the default."""
        return listed(
            self.features,
            f"groups={self.groups}",
            f"eps={self.eps:g}",
            scale=(self.gamma is not None, True),
            center=(self.beta is not None, True),
            data_format=(self.data_format, "channels_last"),
        )


class RMSNorm(Module):
    """``x / sqrt(mean(x * x) + eps) * scale``, the mean over the last axes of x; the scale has their sizes."""

    def __init__(
        self,
        features: int | tuple[int, ...],
        eps: float = 1e-6,
        axis: int | tuple[int, ...] = -1,
        name: str | None = None,
    ) -> None:
        self.scale = Parameter(_as_shape("features", features))
        self.axis = tuple(axis) if isinstance(axis, (tuple, list)) else axis
        self.eps, self.name = number("eps", eps, least=0), name

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape with the features on ``axis``."""
        return F.rms_norm(x, self.scale, axis=self.axis, eps=self.eps)

    def describe(self) -> str:
        """Features, epsilon and axis."""
        return listed(self.scale.shape, f"eps={self.eps:g}", axis=(self.axis, -1))


class UnitNorm(Module):
    """Vectors along ``axis`` made of length 1: ``x / max(sqrt(sum(x * x)), 1e-12)``; Keras's UnitNormalization."""

    def __init__(self, axis: int | tuple[int, ...] = -1) -> None:
        self.axis = tuple(axis) if isinstance(axis, (tuple, list)) else axis

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.l2_normalize(x, self.axis)

    def describe(self) -> str:
        """The axis."""
        return listed(axis=(self.axis, -1))


class LocalResponseNorm(Module):
    """``x / (bias + alpha * s) ** beta``, s the sum of squares of ``radius`` channels before and after: ``tf.nn.lrn``.

    x (N, H, W, C). ``alpha`` is TensorFlow's, which is not divided by the window. GoogLeNet has ``alpha=1e-4 / 5`` with
    ``radius=2``, ``beta=0.75``.
    """

    def __init__(
        self,
        radius: int = 5,
        bias: float = 1.0,
        alpha: float = 1.0,
        beta: float = 0.5,
        data_format: DataFormat = "channels_last",
    ) -> None:
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta
        self.data_format = data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, H, W, C), or (N, C, H, W) with channels first."""
        return F.local_response_norm(x, self.radius, self.bias, self.alpha, self.beta, self.data_format)

    def describe(self) -> str:
        """The numbers of the formula."""
        return listed(f"radius={self.radius}, bias={self.bias:g}, alpha={self.alpha:g}, beta={self.beta:g}")
