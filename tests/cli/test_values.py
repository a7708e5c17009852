"""What options read from text."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from trtnn.cli.values import (
    Declared,
    argument,
    batch_sizes,
    byte_count,
    declared_input,
    dim_range,
    dim_size,
    name_rule,
    number,
)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (byte_count, "4GiB", 4 << 30),
        (byte_count, "512 mib", 512 << 20),
        (byte_count, "1.5GB", 1_500_000_000),
        (byte_count, "1048576", 1 << 20),
        (dim_range, "batch=1,8,64", ("batch", (1, 8, 64))),
        (dim_range, "batch = 1, 64", ("batch", (1, 64, 64))),
        (dim_range, "batch=8", ("batch", (8, 8, 8))),
        (dim_size, "time=8", ("time", 8)),
        (declared_input, "image=batch,224,224,3", ("image", Declared(("batch", 224, 224, 3), "float32"))),
        (declared_input, "tokens=int32[batch, time]", ("tokens", Declared(("batch", "time"), "int32"))),
        (declared_input, "scale=float32[]", ("scale", Declared((), "float32"))),
        (argument, "classes=10", ("classes", 10)),
        (argument, "name=resnet", ("name", "resnet")),
        (argument, "sizes=(1, 2)", ("sizes", (1, 2))),
        (argument, "text=a=b", ("text", "a=b")),
        (argument, "empty=", ("empty", "")),
        (name_rule, "^=resnet/", ("^", "resnet/")),
        (name_rule, "(?=hidden)=old/", ("(?=hidden)", "old/")),
        (name_rule, "_moving=", ("_moving", "")),
        (number, "0.05", 0.05),
        (batch_sizes, "1", [1]),
        (batch_sizes, "1, 8,64", [1, 8, 64]),
    ],
)
def test_values(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (byte_count, "-1"),
        (byte_count, "4 TiB and more"),
        (dim_range, "=1,2,3"),
        (dim_range, "batch=1,2,3,4"),
        (dim_range, "batch=0,1,2"),
        (dim_range, "batch=a"),
        (dim_size, "time=1,8"),
        (declared_input, "image="),
        (declared_input, "image=int32[batch"),
        (argument, "3=4"),
        (argument, "classes"),
        (name_rule, "resnet"),
        (name_rule, "[=a"),
        (batch_sizes, ""),
        (batch_sizes, "1,"),
        (batch_sizes, "0"),
        (number, "nan"),
        (number, "-1"),
    ],
)
def test_no_values(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)
