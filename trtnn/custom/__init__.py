"""Custom ops: an operation that trtnn and TensorRT lack, defined once for every target.

- `custom_op` (declare.py) makes a `Definition` of a user's function or class; members.py has what these must have, and
  attributes.py what attributes may be.
- `CustomOp` (definition.py) is a definition with values for its attributes: what graphs hold.
- typing.py types it, references.py calls its NumPy form, registry.py knows it by name; comparing.py compares its forms
  with the decomposition, which exact.py computes in float64. failing.py names the op in what the user's code raises.
- lowering.py makes decompositions of those that a target does not run; evaluation.py runs one call on the CPU.
"""

from trtnn.custom.comparing import FormReport, FormRow, check
from trtnn.custom.declare import custom_op
from trtnn.custom.definition import CustomOp, Definition, custom_of
from trtnn.custom.registry import find, register, require_registered, required_ops

__all__ = [
    "CustomOp",
    "Definition",
    "FormReport",
    "FormRow",
    "check",
    "custom_of",
    "custom_op",
    "find",
    "register",
    "require_registered",
    "required_ops",
]
