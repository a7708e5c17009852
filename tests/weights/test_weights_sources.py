"""From paths to files: prefixes, folders, the ``checkpoint`` state file, archives, and what is none of these."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import save

from trtnn.errors import FileFormatError
from trtnn.weights import Slot, list_weights, load, open_weights

SLOT = Slot("fc.kernel", ("fc/kernel",), (2,), "float32")


def value(source: Any) -> float:
    return float(load([SLOT], source)[0]["fc.kernel"][0])


@pytest.fixture
def saved(tf: Any, tmp_path: Path) -> Path:
    """A folder with two checkpoints, with 1 and 2 in them."""
    for number in (1, 2):
        save(tf, tmp_path / f"model.ckpt-{number}", {"fc/kernel": np.full(2, number, np.float32)})
    return tmp_path


@pytest.mark.parametrize("suffix", ["", ".index", ".data-00000-of-00001"])
def test_a_prefix_or_one_of_its_files(saved: Path, suffix: str) -> None:
    assert value(saved / f"model.ckpt-2{suffix}") == 2
    assert value(str(saved / f"model.ckpt-1{suffix}")) == 1
    assert load([SLOT], saved / f"model.ckpt-1{suffix}")[1].title == "model.ckpt-1"


@pytest.mark.parametrize(
    "state",
    [
        'model_checkpoint_path: "model.ckpt-1"\nall_model_checkpoint_paths: "model.ckpt-2"\n',
        'all_model_checkpoint_paths: "model.ckpt-2"\nmodel_checkpoint_path: "/somewhere/else/model.ckpt-1"\n',
        'model_checkpoint_path: "model.ckpt\\0551"\n',
    ],
)
def test_a_folder_with_a_state_file(saved: Path, state: str) -> None:
    (saved / "checkpoint").write_text(state)
    assert value(saved) == 1
    (saved / "model.ckpt-1.index").unlink()
    with pytest.raises(FileFormatError, match=r"model\.ckpt-1\.index: cannot be read"):
        value(saved)


def test_the_state_file_that_tensorflow_writes(tf: Any, tmp_path: Path) -> None:
    folder = tmp_path / 'a "name" with\ttab and é'
    folder.mkdir()
    checkpoint = tf.train.Checkpoint(fc=tf.Module())
    checkpoint.fc.kernel = tf.Variable([5.0, 6.0])
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2, checkpoint_name='é "x"')
    manager.save()
    manager.save()
    assert value(folder) == 5
    assert load([SLOT], folder)[1].title == folder.name
    assert Path(manager.latest_checkpoint).name == 'é "x"-2'


def test_a_folder_without_a_state_file(saved: Path) -> None:
    with pytest.raises(FileFormatError, match=r"holds several checkpoints: model\.ckpt-1, model\.ckpt-2; name one of"):
        value(saved)
    (saved / "model.ckpt-1.index").unlink()
    assert value(saved) == 2


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["fc/kernel", "fc/kernel:0"])
def test_npz(tmp_path: Path, writer: Any, name: str) -> None:
    writer(tmp_path / "w.npz", **{name: np.array([7, 8], np.float32), "f": np.asfortranarray(np.ones((2, 3)))})
    arrays, report = load([SLOT, Slot("f", ("f",), (2, 3), "float32")], tmp_path / "w.npz")
    np.testing.assert_array_equal(arrays["fc.kernel"], [7, 8])
    assert not arrays["fc.kernel"].flags.writeable
    assert arrays["f"].flags.c_contiguous
    assert report.title == "w.npz"
    assert (name, (2,), "float32") in list(list_weights(tmp_path / "w.npz"))


def test_npz_may_be_overwritten_while_its_arrays_are_in_use(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"fc/kernel": np.array([7, 8], np.float32)})
    arrays, _ = load([SLOT], tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", other=np.zeros(1))
    np.testing.assert_array_equal(arrays["fc.kernel"], [7, 8])


def test_npz_with_pickles_is_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"fc/kernel": np.array([{}, {}], object)})
    with (
        pytest.raises(FileFormatError, match=r"w\.npz: .*fc/kernel\.npy holds pickled objects"),
        open_weights(tmp_path / "w.npz") as file,
    ):
        file.variables[0].read()


def test_npz_with_other_members(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"fc/kernel": np.array([7, 8], np.float32)})
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.writestr("README", "how it was trained")
        archive.comment = b"a comment"
    assert value(tmp_path / "w.npz") == 7


def test_what_is_not_there(saved: Path) -> None:
    with pytest.raises(FileFormatError) as caught:
        value(saved / "model.ckpt-3")
    assert str(caught.value) == (
        f"{saved / 'model.ckpt-3'}: there is no file model.ckpt-3 and no model.ckpt-3.index; "
        "in that folder there is model.ckpt-2 and model.ckpt-1"
    )
    with pytest.raises(FileFormatError, match=r"nowhere.x: there is no folder .*nowhere$"):
        value(saved / "nowhere" / "x")
    with pytest.raises(FileFormatError, match=r"w\.npz: cannot be read \(no such file\)"):
        value(saved / "w.npz")
    (saved / "empty").mkdir()
    with pytest.raises(FileFormatError, match=r"empty: there is no checkpoint and no SavedModel in this folder"):
        value(saved / "empty")


def test_files_of_another_kind(tf: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    kinds = re.escape("NumPy archive (.npz), Keras file (.keras, .h5), TensorFlow checkpoint or SavedModel")
    with pytest.raises(FileFormatError, match=rf"notes: expected {kinds}, got a file of another kind"):
        value(tmp_path / "notes")
    tf.raw_ops.Save(filename=str(tmp_path / "old"), tensor_names=["a"], data=[tf.zeros(2)])
    with pytest.raises(
        FileFormatError, match=r"old: this is a checkpoint of TensorFlow's old V1 format; save it again"
    ):
        value(tmp_path / "old")
