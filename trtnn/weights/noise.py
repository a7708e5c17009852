"""What training leaves in a file and no model wants: optimizer slots, step counters, moving averages, metrics."""

from __future__ import annotations

import re
from collections.abc import Collection

SLOT = "optimizer slots"
COUNTER = "step counters"
AVERAGE = "moving averages"
METRIC = "metrics"
SEED = "random seeds"

_COUNTER = re.compile(r"(.*/)?(global_step|step|save_counter|beta[12]_power|iterations?|iter)(_\d+)?$")
_RATE = re.compile(r"(.*/)?(current_)?learning_rate(_\d+)?$")
_AVERAGE = re.compile(r".+/ExponentialMovingAverage(/.+)?$")
_SLOT = re.compile(
    r".+/(Adam|AdaMax|AdamW|Momentum|RMSProp|Adagrad|AdagradDA|Adadelta|Ftrl|LAMB|LARS|adam_[mv]|.*Optimizer)(_\d+)?$"
)
_SEED = re.compile(r"(.*/)?seed_generator(_\d+)?/seed_generator_state$|(.*/)?seed_generator_state$")


def why_ignored(name: str, names: Collection[str], shape: tuple[int, ...]) -> str:
    """Why the variable ``name`` is training's own, in words for the report; empty when a model may want it.

    ``names`` are all names of the file: whatever is named below a variable (``conv1/W/MyOptimizer``) is made from it.
    """
    if _COUNTER.match(name) and shape == ():
        return COUNTER
    if _RATE.match(name) and shape == ():
        return SLOT
    if _AVERAGE.match(name):
        return AVERAGE
    if _SEED.match(name):
        return SEED
    parts = name.split("/")
    if _SLOT.match(name) or any("/".join(parts[:end]) in names for end in range(1, len(parts))):
        return SLOT
    return ""
