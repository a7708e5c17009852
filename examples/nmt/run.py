"""Translate number words to digits with a network that TensorFlow trained, without TensorFlow.

    python examples/nmt/run.py ["seven hundred and two" ...]

One call of an engine takes sentences and gives translations: the decoder's loop, which looks at its own last token,
runs inside. ``seq2seq.py`` next to this file is the network; ``train.py`` trained it and wrote the files that this one
reads.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from seq2seq import BeamSearch, Greedy, Translator

import trtnn as nn

HERE = Path(__file__).resolve().parent
START, END, TOKENS = 10, 11, 12
"""The target language: the digits 0 to 9 and these two."""
MAX_STEPS = 7
"""The digits of 999,999 and END."""
BEAMS = 4
DIMS = {"batch": (1, 8, 64), "time": (1, 8, 16)}
WORDS = {word: number for number, word in enumerate((HERE / "words.txt").read_text().split())}
SENTENCES = ("forty two", "seven hundred and two thousand and nineteen", "nine hundred thousand five")
Array = NDArray[Any]


def load() -> Translator:
    """The trained network."""
    model = Translator(len(WORDS), TOKENS, embedding=32, hidden=96)
    print(str(model.load_weights(HERE / "checkpoint" / "nmt")).splitlines()[0])
    return model


def as_source(sentences: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Word numbers (n, longest), padded with 0, and lengths (n,). Raises ValueError for a word that is not known."""
    texts = [sentence.lower().replace("-", " ").split() for sentence in sentences]
    unknown = {word for text in texts for word in text} - WORDS.keys()
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; the known words are {', '.join(list(WORDS)[1:])}")
    words = [[WORDS[word] for word in text] for text in texts]
    lengths = np.array([len(one) for one in words], np.int32)
    numbers = np.zeros((len(words), lengths.max()), np.int32)
    for row, one in zip(numbers, words, strict=True):
        row[: len(one)] = one
    return numbers, lengths


def as_text(tokens: Array) -> str:
    """The digits before the first END."""
    digits = tokens.tolist()
    return "".join(map(str, digits[: digits.index(END)] if END in digits else digits))


def accuracy(tokens: Array, translations: Sequence[str]) -> float:
    """The part of the sentences whose tokens (n, MAX_STEPS) are the whole translation and nothing else."""
    return float(np.mean([as_text(one) == text for one, text in zip(tokens, translations, strict=True)]))


def compare(what: str, results: tuple[Array, Array], wanted: tuple[Array, Array]) -> None:
    """Print whether tokens are TensorFlow's, and how far logits or scores are from TensorFlow's."""
    same = np.mean(results[0] == wanted[0])
    difference = np.abs(results[1] - wanted[1]).max()
    relative = difference / np.abs(wanted[1]).max()
    print(
        f"{what}: {same:.2%} of tokens are TensorFlow's; largest difference {difference:.1e} ({relative:.1e} relative)"
    )


def show(engine: nn.Engine, sentences: Sequence[str]) -> None:
    """Print the translations that beam search finds, most probable first."""
    tokens, scores = engine(*as_source(sentences))
    for sentence, several, logarithms in zip(sentences, tokens, scores, strict=True):
        found = [f"{as_text(one)} ({np.exp(score):.2%})" for one, score in zip(several, logarithms, strict=True)]
        print(f"{sentence}\n    -> {', '.join(found)}")


def main(sentences: Sequence[str] = SENTENCES) -> None:
    """Load, compile, translate, and prove it against what TensorFlow itself computed."""
    model = load()
    networks = {
        "greedy": Greedy(model, START, MAX_STEPS),
        "beam search": BeamSearch(model, START, END, MAX_STEPS, BEAMS),
    }
    engines = {name: network.compile() for name, network in networks.items()}
    show(engines["beam search"], sentences)

    held_out = np.load(HERE / "held_out.npz")
    wanted = {
        "greedy": (held_out["greedy_tokens"], held_out["greedy_logits"]),
        "beam search": (held_out["beam_tokens"], held_out["beam_scores"]),
    }
    source, translations = as_source(held_out["sentences"].tolist()), held_out["translations"].tolist()
    for name, engine in engines.items():
        results = engine(*source)
        best = results[0] if name == "greedy" else results[0][:, 0]
        print(f"\n{name}: {accuracy(best, translations):.2%} of {len(translations)} held-out sentences right")
        compare(f"{engine.target}, {name}", results, wanted[name])
        try:
            plan(name, networks[name], source, wanted[name])
        except nn.errors.LibraryError as error:
            print(error)

    large = Translator(words=50_000, tokens=50_000, embedding=256, hidden=4096)
    print(f"\nhidden=4096, embedding=256 and 50,000 words make {count_parameters(large):,} parameters")


def plan(name: str, network: nn.Module, source: tuple[Array, Array], wanted: tuple[Array, Array]) -> None:
    """Build a TensorRT plan, and translate the first 8 sentences with the network that was built."""
    start = time.perf_counter()
    engine = network.compile(target="tensorrt-rtx", dims=DIMS)
    print(f"{engine.target}, {name}: a plan of {len(engine.plan):,} bytes in {time.perf_counter() - start:.1f} s")
    results = engine.simulate(*(one[:8] for one in source))
    compare(f"{engine.target}, {name}, simulated", results, (wanted[0][:8], wanted[1][:8]))


def count_parameters(model: nn.Module) -> int:
    """How many numbers the parameters of a model have."""
    return sum(int(np.prod(parameter.shape)) for parameter in model.parameters())


if __name__ == "__main__":
    main(sys.argv[1:] or SENTENCES)
