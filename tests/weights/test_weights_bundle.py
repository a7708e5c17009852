"""Checkpoints against ``tf.train.load_checkpoint``."""

from __future__ import annotations

import mmap
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import assert_as_tensorflow, assert_same, save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trtnn.errors import FileFormatError
from trtnn.weights.bundle import Bundle
from trtnn.weights.slices import Slice

NUMERIC = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]
COMPLEX = ["complex64", "complex128"]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    return draw(hnp.arrays(draw(st.sampled_from(NUMERIC + COMPLEX)), shape))


names = st.lists(st.text("abc/_:.\x7fé", min_size=1, max_size=12), min_size=1, max_size=6, unique=True)


@settings(max_examples=40, deadline=None)
@given(names=names, data=st.data())
def test_whatever_is_saved(
    tf: Any, tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    values = {name: data.draw(arrays()) for name in names}
    bundle = assert_as_tensorflow(tf, save(tf, tmp_path_factory.mktemp("any") / "model.ckpt", values))
    for name, value in values.items():
        assert_same(bundle.read(name), value)


def test_every_data_type(tf: Any, tmp_path: Path) -> None:
    plain = ["bfloat16", "float32", "float64", "float16", "bool", *COMPLEX]
    whole = [name for name in NUMERIC if "int" in name]
    quantized = ["qint8", "quint8", "qint16", "quint16", "qint32"]
    values = {name: tf.cast(tf.constant([[0, 1, 2], [3, 0, 1]]), name) for name in plain + whole}
    values |= {name: tf.bitcast(tf.constant([1, 2, 3], name[1:]), name) for name in quantized}
    values["strings"] = tf.constant([["", "one"], ["\0\xff" * 200, "four"]])
    bundle = assert_as_tensorflow(tf, save(tf, tmp_path / "types", values))
    assert {entry.dtype for entry in bundle.entries.values()} == {*plain, *whole, *quantized, "string"}


def test_scalars_and_empty_arrays(tf: Any, tmp_path: Path) -> None:
    values = {"scalar": 3.5, "empty": np.zeros((0, 3)), "string": "s", "no strings": tf.constant([], tf.string)}
    assert_as_tensorflow(tf, save(tf, tmp_path / "small", values))


def test_many_keys_fill_many_blocks(tf: Any, tmp_path: Path) -> None:
    values = {f"scope_{i % 7}/layer_{i:05d}/kernel": np.full((i % 3, 2), i, np.int32) for i in range(5000)}
    prefix = save(tf, tmp_path / "many", values)
    assert prefix.with_name("many.index").stat().st_size > 20 * 4096  # 4096: the size of a block
    assert_as_tensorflow(tf, prefix)


def test_tf1_saver_with_partitions_optimizers_and_shards(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        with v1.variable_scope("emb", partitioner=v1.fixed_size_partitioner(3)):
            embedding = v1.get_variable("weights", [7, 4], initializer=v1.random_normal_initializer())
        with v1.variable_scope("out", partitioner=v1.fixed_size_partitioner(2, axis=1)), tf.device("/cpu:1"):
            kernel = v1.get_variable("W", [4, 5], initializer=v1.random_normal_initializer(), use_resource=False)
        loss = tf.reduce_sum(tf.matmul(tf.concat(list(embedding), 0), tf.concat(list(kernel), 1)) ** 2)
        step = v1.train.get_or_create_global_step()
        train = [v1.train.AdamOptimizer().minimize(loss, step), v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)]
        saver = v1.train.Saver(sharded=True)
        with v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(v1.global_variables_initializer())
            session.run(train)
            prefix = Path(saver.save(session, str(tmp_path / "model.ckpt"), step))
            expected = session.run([tf.concat(list(embedding), 0), tf.concat(list(kernel), 1)])
    assert prefix.with_name("model.ckpt-1.data-00001-of-00002").exists()
    bundle = assert_as_tensorflow(tf, prefix)
    assert len(bundle.entries["emb/weights"].slices) == 3
    assert {"out/W/Adam", "out/W/Momentum", "global_step", "beta1_power"} <= bundle.entries.keys()
    assert_same(bundle.read("emb/weights"), expected[0])
    assert_same(bundle.read("out/W"), expected[1])


@given(
    name=st.binary(max_size=8).filter(lambda name: name.isascii()),
    extents=st.lists(st.tuples(st.integers(0, 2**62), st.one_of(st.just(-1), st.integers(1, 2**62))), max_size=4),
)
def test_slice_keys_sort_as_their_numbers(name: bytes, extents: list[tuple[int, int]]) -> None:
    key = Slice(tuple(extents)).key(name.decode())
    for axis, (start, length) in enumerate(extents):
        larger = Slice((*extents[:axis], (start + 1, length), *extents[axis + 1 :])).key(name.decode())
        assert key < larger


def test_a_slice_with_large_numbers(tf: Any, tmp_path: Path) -> None:
    """Starts of 1, 2 and 3 bytes, as the ordered code has them; the last slice ends the axis."""
    size, cuts = 9000, [0, 63, 64, 8191, 8192, 9000]
    whole = np.arange(size, dtype=np.float32)
    pieces = list(pairwise(cuts))
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "cut"),
        tensor_names=["v\0\xff"] * len(pieces),
        shape_and_slices=[f"{size} {a},{b - a}" for a, b in pieces],
        tensors=[tf.constant(whole[a:b]) for a, b in pieces],
    )
    bundle = assert_as_tensorflow(tf, tmp_path / "cut")
    assert_same(bundle.read("v\0\xff"), whole)


def test_values_are_views_of_the_mapped_file(tf: Any, tmp_path: Path) -> None:
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3, np.float32)}
    bundle = Bundle.open(save(tf, tmp_path / "model", values))
    first, again, other = bundle.read("a"), bundle.read("a"), bundle.read("b")
    assert np.shares_memory(first, again)
    assert isinstance(_owner(first), mmap.mmap)
    assert _owner(first) is _owner(other)
    with pytest.raises(ValueError, match="WRITEABLE"):
        first.flags.writeable = True


def _owner(array: np.ndarray) -> Any:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.obj if isinstance(base, memoryview) else base


def test_saving_again_leaves_loaded_values_alone(tf: Any, tmp_path: Path) -> None:
    first = Bundle.open(save(tf, tmp_path / "model", {"a": np.ones(1000, np.float32)})).read("a")
    save(tf, tmp_path / "model", {"a": np.zeros(10, np.float32)})
    assert np.all(first == 1)


def test_views_may_be_misaligned(tf: Any, tmp_path: Path) -> None:
    values = {"a": np.array([True]), "b": np.arange(5, dtype=np.float64)}
    bundle = assert_as_tensorflow(tf, save(tf, tmp_path / "model", values))
    assert not bundle.read("b").flags.aligned


def test_a_missing_index(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"model\.index: cannot be read \(No such file or directory\)"):
        Bundle.open(tmp_path / "model")


def test_a_missing_shard(tf: Any, tmp_path: Path) -> None:
    bundle = Bundle.open(save(tf, tmp_path / "model", {"a": np.ones(3)}))
    (tmp_path / "model.data-00000-of-00001").unlink()
    with pytest.raises(FileFormatError, match=r"model\.data-00000-of-00001: cannot be read .*; copy it again"):
        bundle.read("a")
