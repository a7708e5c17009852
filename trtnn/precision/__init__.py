"""Precision: what ``fp16``, ``bf16`` and ``int8`` do to a network, and tools that say what they cost."""
