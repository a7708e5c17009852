"""Calls that have come before: what was checked and found then need not be again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.gpu.arrays import DeviceView, layout_reader
from trtnn.gpu.makers import Maker

MOST_KEPT = 1024


@attrs.frozen(eq=False)
class Known:
    """What a call was found to be: its shapes, the outputs' among them, the maker of its arrays, and the handle of the
    library's current stream then, in whose order the arrays were ready.

    ``apart``: the addresses of inputs and given outputs that were found not to share memory.
    """

    shapes: Shapes
    maker: Maker
    stream: int
    apart: set[tuple[int, ...]] = attrs.field(factory=set)

    def holds_on(self, handle: int) -> bool:
        """Whether another such call may be made while the library's current stream has that handle: arrays of ours are
        ready in the order of the stream that they were made on, whatever is current."""
        return self.stream == handle or not self.maker.adopts


class KnownCalls:
    """Calls by the layouts of their arrays on the GPU, all of one library and ready in the order of its current stream:
    of another one with the same layouts only the addresses are new. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Known] = {}

    def find(self, arrays: Sequence[Any], given: Sequence[Any]) -> tuple[Known, tuple[int, ...]] | None:
        """What is known of a call on the library's current stream with these arrays, into ``given`` ones where there
        are any, and their addresses."""
        read = _read(arrays, given)
        if read is None:
            return None
        layouts, addresses = read
        known = self._known.get(layouts)
        if known is None or (given and addresses not in known.apart):
            return None
        return known, addresses

    def note(self, views: Sequence[DeviceView], written: Sequence[DeviceView], shapes: Shapes, handle: int) -> None:
        """Keeps in mind a call that has been made with these views, where they were ready in the order of their
        library's current stream, which has that handle."""
        maker = views[0].maker
        arrays = (*views, *written)
        if not shapes.known or any(one.maker is not maker or one.lent or one.stream != handle for one in arrays):
            return
        read = _read([view.owner for view in views], [view.owner for view in written])
        if read is None:
            return
        layouts, addresses = read
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        known = self._known.setdefault(layouts, Known(shapes, maker, handle))
        if written:
            if len(known.apart) >= MOST_KEPT:
                known.apart.clear()
            known.apart.add(addresses)


def _read(arrays: Sequence[Any], given: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[int, ...]] | None:
    """The layouts, after the number of inputs, and the addresses; None where one is not aligned, or an array has to
    be viewed by a protocol."""
    layouts: list[Any] = [len(arrays)]
    addresses = []
    for array in (*arrays, *given):
        read = layout_reader(type(array))  # type: ignore[arg-type]  # types are hashable
        if read is None:
            return None
        layout, address = read(array)
        if address % ALIGNMENT:
            return None
        layouts.append(layout)
        addresses.append(address)
    return tuple(layouts), tuple(addresses)
