"""The object graph that tf.train.Checkpoint and SavedModel store beside the variables (TrackableObjectGraph).

Their checkpoint keys are the paths by which the writer happened to reach a variable first, which may be
``model/optimizer/_trainable_variables/0/.ATTRIBUTES/VARIABLE_VALUE`` for a plain kernel. The graph has the rest:
every attribute of every object, and each variable's own name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import attrs

from trtnn.weights.wire import Message

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
KEY_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
EXPORT_LIST = "_all_variables"
_VALUE = "VARIABLE_VALUE"
_UNNAMED = re.compile(r"(Variable(_\d+)?)?$")
_OPTIMIZER_STEPS = frozenset({"_iterations", "iter"})  # Keras's optimizers since 2.11, and the ones before
_KERAS3_PRIVATE = frozenset({"_kernel", "_embeddings", "_operations", "_functional"})


@attrs.frozen
class Node:
    """One tracked object: its attributes (name -> node number), and for a variable its own name and checkpoint key."""

    children: dict[str, int]
    full_name: str = ""
    key: str = ""
    slots: tuple[int, ...] = ()

    @property
    def is_optimizer(self) -> bool:
        """Whether it is one of Keras's optimizers, which count their steps."""
        return not _OPTIMIZER_STEPS.isdisjoint(self.children)


@attrs.frozen(eq=False)
class ObjectGraph:
    """All tracked objects; node 0 is the one that was saved."""

    nodes: tuple[Node, ...]

    @classmethod
    def parse(cls, data: bytes) -> ObjectGraph:
        """From a serialized TrackableObjectGraph; raises DamagedError."""
        return cls(tuple(_node(node) for node in Message.parse(data).messages(1)))

    def full_names(self) -> dict[str, str]:
        """Checkpoint key -> the variable's own name, such as ``conv1/kernel``, where it was given one."""
        named = (node for node in self.nodes if node.key and not _UNNAMED.match(node.full_name))
        return {node.key: node.full_name for node in named}

    def paths(self) -> dict[str, str]:
        """Checkpoint key -> the shortest path of attributes to the variable that leads through no optimizer."""
        paths: dict[str, str] = {}
        seen, level = {0}, [(0, "")]
        while level:
            deeper = []
            for number, path in level:
                node = self._node(number)
                if node.key:
                    paths[node.key] = path
                for name, child in node.children.items():
                    if child not in seen and not node.is_optimizer:
                        seen.add(child)
                        deeper.append((child, f"{path}/{name}" if path else name))
            level = deeper
        return paths

    def find(self, path: Sequence[str]) -> list[str]:
        """The keys of the variables at an attribute path such as ``["encoder", "conv1", "kernel"]``.

        A ``kernel`` is also found as ``_kernel``, Keras 3's private attribute. The path starts at the saved object
        or, where only one of its attributes holds a model, as in ``tf.train.Checkpoint(model=model)``, at that one.
        """
        starts = [0, *self._models] if len(self._models) == 1 else [0]
        ends = [self._walk(start, path) for start in starts]
        return list(dict.fromkeys(key for end in ends if end is not None and (key := self._node(end).key)))

    def _walk(self, start: int, path: Sequence[str]) -> int | None:
        node: int | None = start
        for name in path:
            children = self._node(node).children if node is not None else {}
            node = children.get(name, children.get("_" + name))
        return node

    @cached_property
    def _models(self) -> list[int]:
        """The attributes of the saved object below which there are variables that no optimizer owns."""
        children = set(self._node(0).children.values())
        return [child for child in children if not self._node(child).is_optimizer and self._holds_weights(child)]

    def _holds_weights(self, start: int) -> bool:
        optimizer = self.optimizer_keys
        below = self._reachable(list(self._node(start).children.values()))
        return any(self._node(number).key not in optimizer for number in below if self._node(number).key)

    @cached_property
    def optimizer_keys(self) -> frozenset[str]:
        """The keys of all variables that are an optimizer's own: slots, steps, rates."""
        owned = [number for node in self.nodes for number in node.slots]
        for node in self.nodes:
            if node.is_optimizer:
                # What an optimizer trains is the model's.
                owned += [number for name, number in node.children.items() if name != "_trainable_variables"]
        return frozenset(key for number in self._reachable(owned) if (key := self._node(number).key))

    def _reachable(self, pending: list[int]) -> set[int]:
        seen: set[int] = set()
        while pending:
            number = pending.pop()
            if number not in seen:
                seen.add(number)
                pending += self._node(number).children.values()
        return seen

    def is_keras3(self) -> bool:
        """Whether Keras 3 built the model: its layers keep their kernels in private attributes."""
        return any(not _KERAS3_PRIVATE.isdisjoint(node.children) for node in self.nodes)

    def is_keras3_export(self) -> bool:
        """Whether ``model.export`` wrote it, which keeps flat lists of variables and not the layers."""
        return bool(self.nodes) and EXPORT_LIST in self.nodes[0].children

    def _node(self, number: int) -> Node:
        return self.nodes[number] if 0 <= number < len(self.nodes) else _NOTHING


_NOTHING = Node({})


def _node(message: Message) -> Node:
    children = {child.string(2): child.integer(1) for child in message.messages(1)}
    slots = tuple(slot.integer(3) for slot in message.messages(3))
    for attribute in message.messages(2):
        if attribute.string(1) == _VALUE:
            return Node(children, attribute.string(2), attribute.string(3), slots)
    return Node(children, slots=slots)
