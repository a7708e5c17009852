"""The examples with recurrent networks, on our ONNX Runtime engine and in TensorFlow, in one process and in turns.

    python -m benchmarks.sequences

TensorFlow runs the network that it trained: a graph in a session for TensorFlow 1's LSTM cells, which needs
``tf_keras``, and a ``tf.function`` that takes every size without tracing again for Keras's. A ratio above 1 means
slower than trtnn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, THREADS, Race, markdown_table, race, text_table, write_results
from examples.crnn import run as crnn
from examples.crnn import train as crnn_training
from examples.nmt import seq2seq
from examples.nmt import train as nmt_training
from tests.oracle import assert_close, tensorflow

Call = Callable[..., Any]


def ours(network: Any) -> Call:
    """The engine, on ONNX Runtime."""
    return network.compile(target="onnxruntime", threads=THREADS)  # type: ignore[no-any-return]


def crnn_callers() -> dict[str, Call]:
    """The reader of strips: (images (n, 12, width, 1), widths (n,)) to logits."""
    tf, checkpoint = tensorflow(THREADS), str(crnn.HERE / "checkpoint" / "crnn.ckpt")
    v1 = tf.compat.v1
    model = crnn.Reader()
    model.load_weights(checkpoint)
    with tf.Graph().as_default():
        feeds = [v1.placeholder(tf.float32, (None, crnn.HEIGHT, None, 1)), v1.placeholder(tf.int32, (None,))]
        logits, _ = crnn_training.network(*feeds)
        session = v1.Session(
            config=v1.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=1)
        )
        v1.train.Saver().restore(session, checkpoint)
    return {"trtnn": ours(model), "TensorFlow session": session.make_callable(logits, feeds)}


def nmt_callers() -> dict[str, Call]:
    """Beam search: (words (n, longest), lengths (n,)) to the log-probabilities of the translations."""
    tf, checkpoint = tensorflow(THREADS), str(nmt_training.HERE / "checkpoint" / "nmt")
    start, end, steps, beams = nmt_training.START, nmt_training.END, nmt_training.MAX_STEPS, nmt_training.BEAMS
    translator = seq2seq.Translator(
        len(nmt_training.WORDS), nmt_training.TOKENS, nmt_training.EMBEDDING, nmt_training.HIDDEN
    )
    translator.load_weights(checkpoint)
    engine = ours(seq2seq.BeamSearch(translator, start, end, steps, beams))
    model = nmt_training.Translator()
    model.beam_search(*nmt_training.as_source([["one"]]))  # makes the variables
    tf.train.Checkpoint(model=model).read(checkpoint).assert_consumed()
    sizes = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)]
    graph = tf.function(model.beam_search, input_signature=sizes)
    return {"trtnn": lambda *arrays: engine(*arrays)[1], "tf.function": lambda *arrays: graph(*arrays)[1].numpy()}


def measure(title: str, callers: dict[str, Call], batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Race:
    """A race over all batches, after the engine has given TensorFlow's results."""
    engine, theirs = callers.values()
    for batch in batches[:: max(1, len(batches) // 4)]:
        assert_close(engine(*batch), theirs(*batch))
    return race(
        {name: functools.partial(_each, call, batches) for name, call in callers.items()}, title=title, rounds=9
    )


def _each(call: Call, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    for batch in batches:
        call(*batch)


def with_rates(result: Race, count: int, what: str) -> list[list[str]]:
    """The table of a race with things per second."""
    header, *rows = result.cells()
    rates = [f"{count / row.median_ms * 1e3:,.0f}" for row in result.rows]
    return [[*header, f"{what}/s"], *([*row, rate] for row, rate in zip(rows, rates, strict=True))]


def main() -> None:
    """Race both networks, one thing at a time and in a batch, and write the results."""
    strips = crnn.load_strips()
    sentences = np.load(nmt_training.HERE / "held_out.npz")["sentences"][:64].tolist()
    split = [sentence.split() for sentence in sentences]
    reader, translator = crnn_callers(), nmt_callers()
    lengths = f"{len(strips)} strips of 3 to 40 digits"
    cases = [
        (f"CRNN, {lengths}, one by one", "strips", reader, [crnn.as_batch([strip]) for strip in strips]),
        (f"CRNN, {lengths}, one batch", "strips", reader, [crnn.as_batch(strips)]),
        (
            f"NMT, beam search, {len(split)} sentences, one by one",
            "sentences",
            translator,
            [nmt_training.as_source([one]) for one in split],
        ),
        (
            f"NMT, beam search, {len(split)} sentences, one batch",
            "sentences",
            translator,
            [nmt_training.as_source(split)],
        ),
    ]
    races, tables = [], []
    for title, what, callers, batches in cases:
        races.append(measure(title, callers, batches))
        cells = with_rates(races[-1], sum(len(one) for one, _ in batches), what)
        print(f"\n{title}\n{text_table(cells)}")
        tables.append(f"## {title}\n\n{markdown_table(cells)}\n")
    print(races[-1].machine)
    write_results("sequences", races)
    note = f"{races[-1].rounds} rounds; {races[-1].machine}\n"
    (RESULTS / "sequences.md").write_text("\n".join([*tables, note]))


if __name__ == "__main__":
    main()
