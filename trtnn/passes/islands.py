"""Islands: values that must share one of two forms because the operations between them take either.

Some operations insist on a form (the anchors and the shores of an island); others follow what their operands have. Each
island as a whole takes the form that needs fewer conversions at its shores.
"""

from __future__ import annotations

from collections.abc import Iterable

from trtnn.graph import Value


class Islands:
    """Sets of values that are joined one pair at a time, and then asked for the form that suits each best."""

    def __init__(self) -> None:
        self._parents: dict[Value, Value] = {}
        self._changed: set[Value] = set()

    def join(self, values: Iterable[Value]) -> None:
        """Makes one island of the values' islands."""
        roots = [self.root(value) for value in values]
        for root in roots[1:]:
            if root is not roots[0]:
                self._parents[root] = roots[0]

    def settle(
        self, wants_changed: Iterable[Value], wants_kept: Iterable[Value], gains: Iterable[tuple[Value, float]] = ()
    ) -> None:
        """Decides every island: the changed form when at least as many of its values are wanted so as in the kept form.

        An island that nobody wants changed keeps its form. ``gains`` are advantages that the changed form has for a
        value's island besides, in conversions.
        """
        saved: dict[Value, float] = {}
        anchored: set[Value] = set()
        for value in wants_changed:
            root = self.root(value)
            anchored.add(root)
            saved[root] = saved.get(root, 0) + 1
        for value in wants_kept:
            root = self.root(value)
            saved[root] = saved.get(root, 0) - 1
        for value, gain in gains:
            root = self.root(value)
            saved[root] = saved.get(root, 0) + gain
        self._changed = {root for root in anchored if saved[root] >= 0}

    def is_changed(self, value: Value) -> bool:
        """True when the value's island takes the changed form."""
        return self.root(value) in self._changed

    def root(self, value: Value) -> Value:
        """The value that stands for the island."""
        while (parent := self._parents.get(value, value)) is not value:
            value = parent
        return value
