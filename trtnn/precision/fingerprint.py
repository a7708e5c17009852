"""What a calibration recognizes its network by."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from trtnn.graph import Graph
from trtnn.graph.graph import bodies
from trtnn.graph.ops import Constant


def fingerprint(graph: Graph) -> str:
    """A digest of the operations, names, shapes and weights of a graph, as hexadecimal digits; the lines of the user's
    source do not count."""
    digest = hashlib.sha256()
    _feed(digest, graph)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, graph: Graph) -> None:
    for value in graph.inputs:
        digest.update(f"{value}: {value.type}\n".encode())
    for node in graph.nodes:
        names = " ".join(map(str, (*node.inputs, *node.outputs)))
        types = " ".join(str(value.type) for value in node.outputs)
        if isinstance(node.op, Constant):
            data = np.ascontiguousarray(node.op.data)
            digest.update(f"{names} {types} {zlib.crc32(data.reshape(-1).view(np.uint8).data):08x}\n".encode())
            continue
        plain = {key: value for key, value in node.op.attributes.items() if not isinstance(value, Graph)}
        digest.update(f"{node.op.name} {names} {types} {plain}\n".encode())
        for body in bodies(node.op):
            _feed(digest, body)
    digest.update(" ".join(f"{name}={value}" for name, value in graph.outputs).encode())
