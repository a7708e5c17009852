"""TensorFlow 1's own recurrent cells, run as graphs: the oracle for `trtnn.tf1`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from oracle import tensorflow

Array = np.ndarray


@functools.cache
def cells() -> Any:
    """The module that has ``BasicLSTMCell`` and the others, which TensorFlow 2.21 takes from tf_keras."""
    tensorflow()
    from tf_keras.src.layers.rnn import legacy_cells

    return legacy_cells


def quiet_cell(kind: str, *arguments: Any, **options: Any) -> Any:
    """A cell without its deprecation warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(cells(), kind)(*arguments, **options)


class Recorded:
    """A TensorFlow 1 graph: ``build(x, lengths, *states)`` in it, random variables, and its results for arrays."""

    def __init__(
        self, build: Callable[..., Any], features: int, states: Sequence[int], lengths: bool, seed: int
    ) -> None:
        tf = tensorflow().compat.v1
        self.graph = tensorflow().Graph()
        with self.graph.as_default(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.feeds = [tf.placeholder(tf.float32, (None, None, features))]
            self.feeds += [tf.placeholder(tf.int32, (None,))] if lengths else []
            self.feeds += [tf.placeholder(tf.float32, (None, size)) for size in states]
            starts = self.feeds[2 if lengths else 1 :]
            self.results = tensorflow().nest.flatten(build(self.feeds[0], self.feeds[1] if lengths else None, *starts))
            self.variables = tf.global_variables()
            self.session = tf.Session(graph=self.graph)
            rng = np.random.default_rng(seed)
            for variable in self.variables:
                variable.load(rng.normal(0, 0.5, variable.shape).astype(np.float32), self.session)

    def weights(self) -> dict[str, Array]:
        """The variables by name."""
        return {variable.op.name: self.session.run(variable) for variable in self.variables}

    def save(self, prefix: str) -> str:
        """Writes a checkpoint, as ``tf.train.Saver`` does."""
        with self.graph.as_default():
            return str(tensorflow().compat.v1.train.Saver().save(self.session, prefix))

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        return tuple(self.session.run(self.results, dict(zip(self.feeds, arrays, strict=True))))
