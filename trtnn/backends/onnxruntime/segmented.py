"""An engine of several ONNX Runtime sessions with custom ops in NumPy between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.backends.onnxruntime.emit import emit
from trtnn.backends.onnxruntime.model import OnnxModel
from trtnn.backends.onnxruntime.segments import split
from trtnn.calling import Ranges
from trtnn.custom.definition import CustomOp, custom_of
from trtnn.custom.references import run_reference
from trtnn.engine import Choice, Engine, Signature
from trtnn.errors import ArgumentError, CustomOpError, DeviceError, UnsupportedError
from trtnn.graph import Graph, Node, Origin, TensorType
from trtnn.graph.ops import Constant, Custom
from trtnn.outputs import host_outputs
from trtnn.recipe import Recipe

if TYPE_CHECKING:
    from trtnn.measure.layer import Layer

MakeSession = Callable[[OnnxModel], Any]
Values = dict[str, np.ndarray]


@attrs.frozen(eq=False)
class SessionStep:
    """One segment: a session, the names of the values that it takes and gives, and what the session calls the
    latter."""

    session: Any
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    results: tuple[str, ...]

    def run(self, values: Values, sizes: dict[str, int]) -> None:
        """Adds the segment's results to the values. Raises DeviceError."""
        try:
            found = self.session.run(self.results, {name: values[name] for name in self.takes})
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise DeviceError(problem=f"ONNX Runtime failed: {error}") from error
        values.update(zip(self.gives, found, strict=True))


@attrs.frozen(eq=False)
class ReferenceStep:
    """One custom op in NumPy; ``sizes`` are the names of the sizes that it makes."""

    op: CustomOp
    sizes: Mapping[str, str]
    types: tuple[TensorType, ...]
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    origin: Origin

    def run(self, values: Values, sizes: dict[str, int]) -> None:
        """Adds the op's results to the values, and the sizes that it made to the sizes. Raises CustomOpError."""
        try:
            found = run_reference(self.op, self.types, [values[name] for name in self.takes], sizes, self.sizes)
        except CustomOpError as error:
            error.locate(self.origin.path, self.origin.line)
            raise
        values.update(zip(self.gives, found, strict=True))


@attrs.frozen(eq=False)
class Program:
    """All that one call needs, replaced as a whole when the engine is refitted.

    ``constants`` are those that the custom ops read, and ``returned`` the names of the results.
    """

    steps: tuple[SessionStep | ReferenceStep, ...]
    constants: Mapping[str, np.ndarray]
    returned: tuple[str, ...]

    def run(self, feeds: Mapping[str, np.ndarray], sizes: dict[str, int]) -> list[np.ndarray]:
        """The results for inputs of these named sizes; those that the custom ops make are added."""
        values = {**self.constants, **feeds}
        for step in self.steps:
            step.run(values, sizes)
        return [values[name] for name in self.returned]


class SegmentedEngine(Engine):
    """A network as sessions with NumPy operations between them. Safe to call from several threads where the user's
    functions are."""

    def __init__(
        self,
        graph: Graph,
        choice: Choice,
        profiles: Sequence[Ranges],
        check_nan: bool,
        program: Program,
    ) -> None:
        super().__init__(Signature.of(graph), choice, profiles, check_nan, graph)
        self._program = program
        self._dims = [
            (str(size), name, axis)
            for name, type in self.inputs.items()
            for axis, size in enumerate(type.shape)
            if not isinstance(size, int)
        ]

    @property
    def steps(self) -> tuple[SessionStep | ReferenceStep, ...]:
        """The sessions and the operations between them, in the order in which they run."""
        return self._program.steps

    @property
    def custom_ops(self) -> Mapping[str, str]:
        """Those that are called between the sessions."""
        found = {step.op.definition for step in self.steps if isinstance(step, ReferenceStep)}
        return {one.name: one.home for one in sorted(found, key=lambda one: one.name)}

    def _refit(self, recipe: Recipe) -> None:
        fresh: Any = recipe.engine(self.choice)
        self._graph, self._program = fresh.graph, fresh._program

    def _time_layers(self, feeds: Mapping[str, Any], runs: int) -> list[dict[Layer, float]]:
        """Raises UnsupportedError: there is no one session to report."""
        raise UnsupportedError(
            self.signature.name, problem="cannot be profiled: its custom ops run in NumPy, between several ONNX models"
        )

    def _run_into(self, feeds: Mapping[str, Any], stream: Any, out: Any) -> list[Any]:
        """Copies the results into the caller's arrays."""
        if stream is not None:
            raise ArgumentError("stream", problem="this engine runs on the CPU", remedy="leave it out")
        results = self._run(feeds)
        outputs = host_outputs(self.signature, out, [result.shape for result in results], feeds)
        for output, result in zip(outputs, results, strict=True):
            np.copyto(output, result)
        return outputs

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        sizes = {name: feeds[value].shape[axis] for name, value, axis in self._dims}
        try:
            return self._program.run(feeds, sizes)
        except DeviceError as error:
            error.path = self.signature.name
            raise


def build_segmented(
    graph: Graph, lowered: Graph, choice: Choice, profiles: Sequence[Ranges], check_nan: bool, make_session: MakeSession
) -> SegmentedEngine:
    """An engine for ``graph``, whose form for ONNX Runtime is ``lowered``, with references as its only custom ops.

    ``make_session`` makes a session of a model. Raises UnsupportedError or BuildError.
    """
    custom = [node for node in lowered.nodes if isinstance(node.op, Custom)]
    makers = [*lowered.inputs, *(value for node in custom for value in node.outputs)]
    steps: list[SessionStep | ReferenceStep] = []
    for piece in split(lowered):
        if isinstance(piece, Node):
            steps.append(_reference_step(piece))
        else:
            steps.append(_session_step(piece, make_session(emit(piece, makers))))
    read = {value for node in custom for value in node.inputs}
    constants = {
        node.output.name: np.ascontiguousarray(node.op.data)
        for node in lowered.nodes
        if isinstance(node.op, Constant) and node.output in read
    }
    program = Program(tuple(steps), constants, tuple(value.name for _, value in lowered.outputs))
    return SegmentedEngine(graph, choice, profiles, check_nan, program)


def _session_step(segment: Graph, session: Any) -> SessionStep:
    takes = tuple(one.name for one in session.get_inputs())
    results = tuple(one.name for one in session.get_outputs())
    return SessionStep(session, takes, tuple(name for name, _ in segment.outputs), results)


def _reference_step(node: Node) -> ReferenceStep:
    takes, gives = (tuple(value.name for value in values) for values in (node.inputs, node.outputs))
    types = tuple(value.type for value in node.outputs)
    assert isinstance(node.op, Custom)
    return ReferenceStep(custom_of(node.op), node.op.sizes, types, takes, gives, node.origin)
