"""Runs plans on a GPU: a bounded pool of slots, each with a stream, buffers and an execution context.

`runtime.py` takes the calls, `on_device.py` and `on_host.py` make them, `known.py` remembers what was checked.
`pool.py` has the slots, `slots.py` what is in one, `contexts.py` an execution context and what it was told,
`cuda_graphs.py` captures and replays. `shapes.py` chooses the profile, `outputs.py` and `output_allocator.py` say where
results go, `bound.py` is a call with fixed arrays, `starting.py` makes a runtime of a plan, `profiling.py` times its
layers.
"""

from trtnn.backends.tensorrt.runtime.runtime import Runtime

__all__ = ["Runtime"]
