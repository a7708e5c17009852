"""The proof against TensorRT's listings, which lives with the emitter's tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tensorrt"))

from api_listing import Use, check, listings

__all__ = ["Use", "check", "listings"]
