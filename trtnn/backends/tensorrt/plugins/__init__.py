"""Plugins: custom ops with kernels inside a plan, and TensorRT's own and a user's plugins by name.

`emit.py` chooses the form of a custom op's node: `quick.py`, a plugin that TensorRT compiles into the plan ahead of
time, where a kernel allows it; else `runtime.py`, a plugin that calls Python when the plan runs. `site.py` is what both
know of a node, `sizes.py` turns symbolic sizes into TensorRT's. `named.py` adds plugins by name, and `libraries.py`
loads files with plugins.
"""
