"""A histogram of absolute values that grows with its data, and the thresholds that can be read off it."""

from __future__ import annotations

import numpy as np

BINS = 2048
LEVELS = 128
"""How many magnitudes int8 tells apart."""
LEAST_KEPT = 0.999
"""The part of the values other than zero that entropy may not clip: small networks notice more than its measure
does."""
SAMPLE = 1 << 17
"""How many values of one array are counted, about."""
STEP = 8
"""Thresholds are tried this many bins apart."""


class Histogram:
    """Counts of ``|x|`` in `BINS` bins of one width from 0; takes the same memory whatever it has seen."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.limit = 0.0
        self.low, self.high = np.inf, -np.inf

    def extend(self, values: np.ndarray) -> None:
        """Notes the lowest and the highest of float32 values. Raises ValueError when one is infinite or NaN."""
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise ValueError("infinite or NaN")
        self.low, self.high = min(self.low, low), max(self.high, high)

    def add(self, values: np.ndarray) -> None:
        """Counts float32 values, of very many an even sample. Raises ValueError when one is infinite or NaN."""
        self.extend(values)
        flat = values.reshape(-1)[:: values.size // SAMPLE | 1]  # an odd step, so that it meets all rows and columns
        largest = max(-self.low, self.high, 0.0)
        if largest == 0:
            self.counts[0] += flat.size
            return
        if self.limit == 0:
            self.limit = largest
        while largest > self.limit:
            self._double()
        bins = np.abs(flat)
        bins *= BINS / self.limit
        self.counts += np.bincount(np.minimum(bins, BINS - 1).astype(np.intp), minlength=BINS)

    def _double(self) -> None:
        """Makes the bins twice as wide."""
        self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2, np.int64)])
        self.limit *= 2

    def percentile(self, percent: float) -> float:
        """The magnitude that ``percent`` of the values do not exceed."""
        share = np.cumsum(self.counts) / max(self.counts.sum(), 1)
        return float((np.searchsorted(share, percent / 100) + 1) * self.limit / BINS)

    def entropy(self) -> float:
        """The magnitude to clip at so that 8 bits keep the most information.

        Of all thresholds that keep `LEAST_KEPT` it takes the one whose clipped distribution the quantized one describes
        best, by their Kullback-Leibler divergence (S. Migacz, "8-bit inference with TensorRT", GTC 2017).
        """
        counts = self.counts.copy()
        counts[0] = counts[1]  # zeros, which a relu makes many of, survive any clipping and would hide all else
        enough = int(np.searchsorted(np.cumsum(counts), LEAST_KEPT * counts.sum())) + 1
        stops = range(min(max(LEVELS, enough), BINS), BINS + 1, STEP)
        divergences = [_divergence(counts, stop) for stop in stops]
        return float(stops[int(np.argmin(divergences))] * self.limit / BINS)


def _divergence(counts: np.ndarray, stop: int) -> float:
    """How much the first ``stop`` bins, with what lies above in the last one, differ from themselves in `LEVELS`
    levels."""
    kept = counts[:stop]
    clipped = kept.astype(np.float64)
    clipped[-1] += counts[stop:].sum()
    total = clipped.sum()
    if total == 0:
        return np.inf
    level = np.arange(stop) * LEVELS // stop
    occupied = kept > 0
    sums = np.bincount(level, kept, LEVELS)
    cells = np.maximum(np.bincount(level, occupied, LEVELS), 1)
    quantized = np.where(occupied, (sums / cells)[level], 0)
    seen = clipped > 0
    p = clipped[seen] / total
    q = np.maximum(quantized[seen] / max(quantized.sum(), 1), 1e-9)
    return float(np.sum(p * np.log(p / q)))
