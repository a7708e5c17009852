from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from oracle import keras as import_keras
from oracle import tensorflow as import_tensorflow


@pytest.fixture(scope="session")
def tf() -> Any:
    return import_tensorflow()


@pytest.fixture(scope="session")
def keras(tf: Any) -> Any:
    return import_keras()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")
