"""Custom ops for a target: those that it does not run as they are become their decompositions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trtnn.custom.definition import custom_of
from trtnn.custom.typing import require_tensors
from trtnn.errors import CustomOpError, UnsupportedError
from trtnn.graph import DType, Graph, Node
from trtnn.graph.graph import bodies
from trtnn.graph.ops import Custom
from trtnn.passes import lower
from trtnn.passes.decompose import decompose, decomposition
from trtnn.passes.emulate import HALVES
from trtnn.tensor import Tensor

DEEPEST = 16  # custom ops in decompositions of custom ops
WRITE = {  # how each form is written, for errors
    "decompose": "decompose(self, {operands}) in trtnn's functions",
    "reference": "reference(self, {operands}) in NumPy",
    "kernels": "kernels = (trtnn.CudaKernel(...),)",
}

NAMES = {"decompose": "a decomposition", "reference": "a reference", "kernels": "kernels"}


def lower_custom(
    graph: Graph, target: str, forms: Sequence[str], runs: Callable[[Node], bool] = lambda node: False
) -> Graph:
    """A lowered graph in which custom ops are decomposed, in loops too, but for those nodes that ``runs`` holds for;
    lowered again.

    ``forms`` are the forms that the target can do anything with. Raises UnsupportedError, with the module path and the
    user's line, for an op that has none of these, and CustomOpError where a decomposition does not end or is not what
    ``infer`` says.
    """
    for _ in range(DEEPEST):
        waiting = [node for node in custom_nodes(graph) if not runs(node)]
        if not waiting:
            return graph
        for node in waiting:
            require_decomposition(node, target, forms)
        graph = lower(decompose(graph, lambda node: isinstance(node.op, Custom) and not runs(node)))
    raise CustomOpError(
        custom_of(waiting[0].op).name, problem="decompose does not end", remedy="it must not use the op itself"
    )


def custom_nodes(graph: Graph) -> list[Node]:
    """The nodes with custom ops, in loops too."""
    found = [node for node in graph.nodes if isinstance(node.op, Custom)]
    return found + [one for node in graph.nodes for body in bodies(node.op) for one in custom_nodes(body)]


def require_decomposition(node: Node, target: str, forms: Sequence[str]) -> None:
    """Raises UnsupportedError, which says what to write, for an op without a decomposition."""
    op = custom_of(node.op)
    if op.has_decomposition:
        return
    lacking = [WRITE[form] for form in forms if form not in op.definition.forms]
    remedy = "write " + " or ".join(lacking).format(operands=", ".join(op.definition.operands))
    problem = f"the target {target} cannot run {op.name}, which has only "
    problem += " and ".join(NAMES[form] for form in op.definition.forms)
    if op.sizes and "reference" not in forms:
        problem = f"the target {target} cannot run {op.name}, whose results have sizes that only running it tells"
        remedy = f"give them a fixed size, with a count beside them, and {remedy}"
    elif op.kernels and "kernels" in forms:
        problem += f", and takes no kernel for {' and '.join(sorted({str(one.type.dtype) for one in node.inputs}))}"
    raise UnsupportedError(
        node.origin.path or node.outputs[0].name, problem=problem, remedy=remedy, line=node.origin.line
    )


@decomposition(Custom)
def decompose_custom(op: Custom, *operands: Tensor) -> tuple[Tensor, ...]:
    """The user's decomposition, computed in float32 where the operands are half precision. Raises CustomOpError."""
    custom, wanted = custom_of(op), op.infer(*(one.value.type for one in operands))
    halves = any(one.dtype in HALVES for one in operands)
    results = custom.decompose(*map(_single, operands) if halves else operands)
    tensors = [
        _as(one, type.dtype) if halves else one for one, type in zip(require_tensors(results), wanted, strict=False)
    ]
    found = tuple(one.value.type for one in tensors)
    if found != wanted or len(results) != len(wanted):
        raise CustomOpError(
            custom.name,
            problem="decompose does not return what infer says",
            expected=", ".join(map(str, wanted)),
            got=", ".join(str(one.value.type) for one in results),
        )
    return tuple(tensors)


def _single(tensor: Tensor) -> Tensor:
    return tensor.cast(DType.float32) if tensor.dtype in HALVES else tensor


def _as(tensor: Tensor, dtype: DType) -> Tensor:
    return tensor.cast(dtype) if dtype in HALVES and tensor.dtype is DType.float32 else tensor
