"""Passes: Graph to Graph, each with one purpose. `lower` runs those that every target needs, in order."""

from __future__ import annotations

from collections.abc import Callable

from trtnn.graph import Graph
from trtnn.graph.graph import map_bodies
from trtnn.passes.batchnorm import fold_batchnorm
from trtnn.passes.constants import fold_constants
from trtnn.passes.dead import remove_dead
from trtnn.passes.layout import to_channels_first
from trtnn.passes.loops import prune_scans
from trtnn.passes.padding import fuse_padding
from trtnn.passes.transposes import merge_transposes

LOWERING: tuple[Callable[[Graph], Graph], ...] = (
    remove_dead,
    to_channels_first,
    merge_transposes,
    fuse_padding,
    fold_constants,
    fold_batchnorm,
    fold_constants,
    remove_dead,
)


def lower(graph: Graph, check: Callable[[Graph], Graph] = lambda graph: graph) -> Graph:
    """The graph as backends take it: convolutions and pooling channels first, BatchNorm folded, constants computed,
    nothing dead.

    Needs loaded weights. ``check`` sees the graph after every pass; tests give `trtnn.graph.verify`.
    """
    graph = check(prune_scans(remove_dead(graph)))
    return _lower_one(map_bodies(graph, _lower_one), check)


def _lower_one(graph: Graph, check: Callable[[Graph], Graph] = lambda graph: graph) -> Graph:
    for one_pass in LOWERING:
        graph = check(one_pass(graph))
    return graph


__all__ = [
    "fold_batchnorm",
    "fold_constants",
    "fuse_padding",
    "lower",
    "merge_transposes",
    "prune_scans",
    "remove_dead",
    "to_channels_first",
]
