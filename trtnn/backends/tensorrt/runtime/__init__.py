"""Runs plans on a GPU: a bounded pool of slots, each with a stream, buffers and an execution context.

`runtime.py` makes a call, `pool.py` has the slots, `slots.py` what is in one, `contexts.py` an execution context and
what it was told, `shapes.py` chooses the profile, `outputs.py` and `output_allocator.py` say where results go,
`cuda_graphs.py` captures and replays, `bound.py` is a call with fixed arrays, `starting.py` makes a runtime of a plan,
`profiling.py` times its layers.
"""

from trtnn.backends.tensorrt.runtime.runtime import Runtime

__all__ = ["Runtime"]
