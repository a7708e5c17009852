"""The checksum of TensorFlow's checkpoints: CRC-32C (Castagnoli), masked as LevelDB masks it.

The google-crc32c package runs at memory speed (100 MB take about 7 ms here), so every byte that is read is verified.
"""

from __future__ import annotations

import google_crc32c
import numpy as np
from numpy.typing import NDArray

_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | NDArray[np.uint8], before: int = 0) -> int:
    """The CRC-32C of ``data``, a C-contiguous buffer, behind data whose CRC-32C is ``before``."""
    return int(google_crc32c.extend(before, data))


def mask(crc: int) -> int:
    """``crc`` as it is stored: rotated right by 15 bits, plus a constant.

    LevelDB masks so that the checksum of data that itself holds checksums stays a good one.
    """
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return (rotated + _MASK_DELTA) & 0xFFFFFFFF


def masked_crc32c(data: bytes | NDArray[np.uint8]) -> int:
    """The masked CRC-32C of ``data``, as a checkpoint stores it."""
    return mask(crc32c(data))
