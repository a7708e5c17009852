"""Preprocessing that is part of a network: scaling, encoding of categories, resizing and cropping of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.nn import DataFormat, is_channels_first
from trtnn.functional.operands import axes_of, number, positive_int
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "CategoryEncoding",
    "CenterCrop",
    "Discretization",
    "IntegerLookup",
    "Normalization",
    "Rescaling",
    "Resizing",
]

SMALLEST_DEVIATION = 1e-7  # keras.config.epsilon()
OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


def _as_float(x: Tensor) -> Tensor:
    """x as float32, unless it is of floats."""
    return x if x.dtype.is_float else F.cast(x, "float32")


class Rescaling(Module):
    """``x * scale + offset``, in floats; the numbers may be arrays that broadcast to x from the right."""

    def __init__(self, scale: Any, offset: Any = 0.0) -> None:
        self.scale, self.offset = _number_or_array("scale", scale), _number_or_array("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape and data type."""
        scaled: Tensor = _as_float(x) * self.scale + self.offset
        return scaled

    def describe(self) -> str:
        """Scale and offset."""
        return listed(self.scale, offset=(self.offset, 0.0))


def _number_or_array(what: str, value: Any) -> Any:
    return number(what, value) if np.ndim(value) == 0 else np.asarray(value, np.float32)


class Normalization(Module):
    """``(x - mean) / max(sqrt(variance), 1e-7)`` per entry of ``axis``, or the way back with ``invert``.

    ``shape`` are the sizes of x on the axes, in ascending order: the shape of the weights ``mean`` and ``variance``.
    Given as arguments instead, they are numbers or arrays that broadcast to it. ``axis`` may be several axes, or () for
    one number.
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        axis: int | tuple[int, ...] = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        name: str | None = None,
    ) -> None:
        self.shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        self.axis = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
        if len(self.shape) != len(self.axis) or (mean is None) != (variance is None):
            raise ArgumentError(
                "Normalization",
                expected="one size for every axis, and mean and variance both or neither",
                got=f"shape={shape}, axis={axis}, mean={mean}, variance={variance}",
            )
        self.mean = Parameter(self.shape) if mean is None else np.broadcast_to(np.asarray(mean, np.float32), self.shape)
        self.variance = (
            Parameter(self.shape) if variance is None else np.broadcast_to(np.asarray(variance, np.float32), self.shape)
        )
        self.invert, self.name = invert, name

    def forward(self, x: Tensor) -> Tensor:
        """x with the normalized sizes on ``axis``."""
        x = _as_float(x)
        kept = axes_of(self.axis, x.ndim)
        shape = [size if i in kept else 1 for i, size in enumerate(x.shape)]
        mean, variance = (F.reshape(x.tracer.lift(one), shape) for one in (self.mean, self.variance))
        deviation = F.maximum(F.sqrt(variance), SMALLEST_DEVIATION)
        return x * deviation + mean if self.invert else (x - mean) / deviation

    def describe(self) -> str:
        """Shape, axis and direction."""
        return listed(self.shape, axis=(self.axis, (-1,)), invert=(self.invert, False))


def _encode(x: Tensor, mode: str, classes: int, weights: Tensor | None = None) -> Tensor:
    """Integers x as they are ("int"), as "one_hot" (..., classes), or as "multi_hot" or "count" over axis 1."""
    if mode == "int":
        return x
    if mode == "one_hot":
        return F.one_hot(x.squeeze(-1) if x.ndim > 1 and x.shape[-1] == 1 else x, classes)
    if mode == "multi_hot":
        return F.multi_hot(x, classes)
    hot = F.one_hot(x, classes)
    return F.sum(hot if weights is None else hot * weights.expand_dims(-1), 1 if x.ndim > 1 else 0)


def _require_mode(what: str, mode: str, modes: Sequence[str] = OUTPUT_MODES) -> str:
    if mode not in modes:
        raise ArgumentError(what, expected=f"an output_mode of {', '.join(modes)}", got=repr(mode))
    return mode


class CategoryEncoding(Module):
    """Integers below ``num_tokens`` as floats: "one_hot" per integer, "multi_hot" or "count" per sample (N, T).

    "one_hot" of (..., 1) drops that axis. "count" takes ``count_weights`` of x's shape.
    """

    def __init__(self, num_tokens: int, output_mode: str = "multi_hot") -> None:
        self.num_tokens = positive_int("num_tokens", num_tokens)
        self.output_mode = _require_mode("CategoryEncoding", output_mode, OUTPUT_MODES[1:])

    def forward(self, x: Tensor, count_weights: Tensor | None = None) -> Tensor:
        """x of integers, or of floats that are rounded towards 0."""
        return _encode(F.cast(x, "int64"), self.output_mode, self.num_tokens, count_weights)

    def describe(self) -> str:
        """Tokens and mode."""
        return listed(self.num_tokens, output_mode=(self.output_mode, "multi_hot"))


class Discretization(Module):
    """How many ``boundaries`` lie at or below each number, its bin; int64, or encoded as by `CategoryEncoding`."""

    def __init__(self, boundaries: Sequence[float], output_mode: str = "int") -> None:
        self.boundaries = tuple(float(one) for one in boundaries)
        self.output_mode = _require_mode("Discretization", output_mode)

    def forward(self, x: Tensor) -> Tensor:
        """x of numbers."""
        return _encode(F.searchsorted(x, self.boundaries), self.output_mode, len(self.boundaries) + 1)

    def describe(self) -> str:
        """Boundaries and mode."""
        return listed(self.boundaries, output_mode=(self.output_mode, "int"))


class IntegerLookup(Module):
    """The place of every integer in a ``vocabulary``; int64, or encoded as by `CategoryEncoding`.

    Places start behind one for ``mask_token``, where it is given and ``output_mode`` is "int", and ``num_oov_indices``
    for integers out of the vocabulary, which share them by their remainder. Encoded, the mask token counts for nothing.
    """

    def __init__(
        self,
        vocabulary: Sequence[int],
        mask_token: int | None = None,
        output_mode: str = "int",
        num_oov_indices: int = 1,
    ) -> None:
        self.vocabulary, self.mask_token = tuple(int(one) for one in vocabulary), mask_token
        self.output_mode = _require_mode("IntegerLookup", output_mode)
        self.num_oov_indices = positive_int("num_oov_indices", num_oov_indices)
        if not self.vocabulary or len(set(self.vocabulary)) != len(self.vocabulary):
            raise ArgumentError("IntegerLookup", expected="a vocabulary of distinct integers", got=repr(vocabulary))

    def forward(self, x: Tensor) -> Tensor:
        """x of integers."""
        x = F.cast(x, "int64")
        has_mask_place = self.mask_token is not None and self.output_mode == "int"
        unknown = F.mod(x, self.num_oov_indices) + int(has_mask_place)
        first = self.num_oov_indices + int(has_mask_place)
        found = F.equal(x.expand_dims(-1), np.array(self.vocabulary))
        known = F.sum(F.cast(found, "int64") * np.arange(first, first + len(self.vocabulary)), -1)
        place = F.where(F.any(found, -1), known, unknown)
        if self.mask_token is not None:
            place = F.where(F.equal(x, self.mask_token), 0 if has_mask_place else -1, place)
        return _encode(place, self.output_mode, first + len(self.vocabulary))

    def describe(self) -> str:
        """The size of the vocabulary and the options that are not the default."""
        return listed(
            f"{len(self.vocabulary)} integers",
            mask_token=(self.mask_token, None),
            output_mode=(self.output_mode, "int"),
            num_oov_indices=(self.num_oov_indices, 1),
        )


class Resizing(Module):
    """Images (N, H, W, C) brought to ``height`` and ``width``; for ``interpolation`` see `functional.resize`.

    Integers are rounded and keep their data type. ``crop_to_aspect_ratio`` cuts the middle part of the right ratio out
    first; ``pad_to_aspect_ratio`` puts ``fill_value`` around the image instead.
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: DataFormat = "channels_last",
    ) -> None:
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ArgumentError("Resizing", expected="crop_to_aspect_ratio or pad_to_aspect_ratio", got="both")
        is_channels_first(data_format)
        self.size = (positive_int("height", height), positive_int("width", width))
        self.interpolation, self.antialias, self.data_format = interpolation, antialias, data_format
        self.crop, self.pad, self.fill_value = (
            crop_to_aspect_ratio,
            pad_to_aspect_ratio,
            number("fill_value", fill_value),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (N, H, W, C), or (N, C, H, W) with channels first."""
        images, x = x, _as_float(x)
        if self.crop:
            x = F.crop_to_aspect_ratio(x, self.size, self.data_format)
        if self.pad:
            x = F.pad_to_aspect_ratio(x, self.size, self.fill_value, self.data_format)
        y = F.resize(x, self.size, self.interpolation, antialias=self.antialias, data_format=self.data_format)
        if images.dtype.is_float:
            return y
        limits = np.iinfo(images.dtype.numpy)
        return F.cast(F.clip(F.round(y), float(limits.min), float(limits.max)), images.dtype)

    def describe(self) -> str:
        """Size, interpolation and the options that are not the default."""
        return listed(
            *self.size,
            interpolation=(self.interpolation, "bilinear"),
            crop_to_aspect_ratio=(self.crop, False),
            pad_to_aspect_ratio=(self.pad, False),
            fill_value=(self.fill_value, 0.0),
            antialias=(self.antialias, False),
            data_format=(self.data_format, "channels_last"),
        )


class CenterCrop(Module):
    """The middle ``height`` x ``width`` of images (N, H, W, C); smaller ones are resized to cover that, as in Keras."""

    def __init__(self, height: int, width: int, data_format: DataFormat = "channels_last") -> None:
        is_channels_first(data_format)
        self.size, self.data_format = (positive_int("height", height), positive_int("width", width)), data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, H, W, C), or (N, C, H, W) with channels first; named sizes must be large enough at run time."""
        x = _as_float(x)
        now = x.shape[2:] if self.data_format == "channels_first" else x.shape[1:-1]
        if any(isinstance(size, int) and size < least for size, least in zip(now, self.size, strict=True)):
            return F.resize(
                F.crop_to_aspect_ratio(x, self.size, self.data_format), self.size, data_format=self.data_format
            )
        return F.center_crop(x, self.size, self.data_format)

    def describe(self) -> str:
        """Size and data format."""
        return listed(*self.size, data_format=(self.data_format, "channels_last"))
