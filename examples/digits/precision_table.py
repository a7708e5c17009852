"""What half precision and int8 do to the digits network: accuracy and largest error side by side, on the CPU.

    python examples/digits/precision_table.py

The first held-out images calibrate int8; accuracy is counted on all others.
"""

from typing import Any

import numpy as np
from run import HERE, Digits

import trtnn as nn

CALIBRATION_IMAGES = 100


def options(images: np.ndarray) -> dict[str, dict[str, Any]]:
    """The options of ``compile`` for every precision, by name; the images calibrate int8."""
    found: dict[str, dict[str, Any]] = {"float32": {}, "fp16": {"fp16": True}, "bf16": {"bf16": True}}
    for method in ("minmax", "percentile", "entropy"):
        calibration = nn.Calibration(images, method)
        found[f"int8, {method}"] = {"int8": calibration}
        found[f"int8, {method}, fp16"] = {"int8": calibration, "fp16": True}
    return found


def accuracies(model: Digits, images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[float, float]]:
    """(accuracy, largest difference from the float32 logits over the largest logit) by precision."""
    seen, unseen = images[:CALIBRATION_IMAGES], images[CALIBRATION_IMAGES:]
    results: dict[str, tuple[float, float]] = {}
    exact = model.compile(target="onnxruntime")(unseen)
    for name, chosen in options(seen).items():
        logits = model.compile(target="onnxruntime", **chosen)(unseen)
        accuracy = float(np.mean(logits.argmax(axis=1) == labels[CALIBRATION_IMAGES:]))
        results[name] = accuracy, float(np.abs(logits - exact).max() / np.abs(exact).max())
    return results


def main() -> None:
    """Print the table, and what int8 costs module by module."""
    model = Digits()
    model.load_weights(HERE / "checkpoint" / "digits.ckpt")
    held_out = np.load(HERE / "held_out.npz")
    images, labels = held_out["images"], held_out["labels"]
    print(f"{'precision':24} {'accuracy':>9} {'largest error':>14}")
    for name, (accuracy, error) in accuracies(model, images, labels).items():
        print(f"{name:24} {accuracy:9.2%} {error:14.1e}")
    calibration = nn.Calibration(images[:CALIBRATION_IMAGES], "percentile")
    print()
    print(nn.verify(model, images[CALIBRATION_IMAGES:], int8=calibration))


if __name__ == "__main__":
    main()
