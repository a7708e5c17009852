"""What named dims are when a network is run on inputs that nobody gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trtnn.calling import Ranges
from trtnn.cli.failures import UsageError
from trtnn.graph import TensorType
from trtnn.graph.dims import names
from trtnn.measure.sizes import usual_sizes


def dims_of(inputs: Mapping[str, TensorType]) -> list[str]:
    """The named dims of the inputs."""
    return list(dict.fromkeys(name for type in inputs.values() for size in type.shape for name in names(size)))


def run_sizes(dims: Iterable[str], profiles: Iterable[Ranges], given: Mapping[str, int]) -> dict[str, int]:
    """A size for every dim: the given one, else the best one of the first profile, else 1 for the batch.

    Raises UsageError for a dim without a size, and for a size of no dim.
    """
    wanted = list(dims)
    for name in given:
        if name not in wanted:
            raise UsageError(f"the network's inputs have no dim named {name} (they have {', '.join(wanted) or 'none'})")
    sizes = usual_sizes(wanted, next(iter(profiles), {}), given)
    missing = [name for name in wanted if name not in sizes]
    if missing:
        raise UsageError(f"{', '.join(missing)} has no size to run at: give --size {missing[0]}=N")
    return sizes
