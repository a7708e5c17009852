"""Finding TensorRT: the one place where ``tensorrt`` or ``tensorrt_rtx`` is imported.

Both libraries have the same Python interface under two names, so the rest of the backend is given the module as a
value, ``trt``, and never imports it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

import attrs

from trtnn.errors import ArgumentError, LibraryError


@attrs.frozen
class _Product:
    """What there is to know about a library before it is imported."""

    title: str
    module: str
    extra: str
    oldest: tuple[int, ...]


_PRODUCTS = {
    "tensorrt": _Product("TensorRT", "tensorrt", "tensorrt", (10, 9)),
    "tensorrt-rtx": _Product("TensorRT-RTX", "tensorrt_rtx", "rtx", ()),
}


@attrs.frozen(eq=False)
class Library:
    """An imported TensorRT library.

    ``trt`` is the module, ``target`` the name it was asked for by (``"tensorrt"`` or ``"tensorrt-rtx"``), ``version``
    its version as text (``"1.7.1.116"``) and ``version_info`` the same as numbers (``(1, 7, 1, 116)``).
    """

    trt: Any
    target: str
    version: str
    version_info: tuple[int, ...]


def load(target: str) -> Library:
    """Imports the library of a target, ``"tensorrt"`` or ``"tensorrt-rtx"``.

    Raises LibraryError when it is not installed, cannot be imported or is older than this backend can use (TensorRT
    10.9), and ArgumentError for an unknown target.
    """
    product = _product(target)
    try:
        trt = importlib.import_module(product.module)
    except ModuleNotFoundError as error:
        if error.name != product.module:
            raise _broken(product, error) from error
        raise LibraryError(problem=f'{product.title} is not installed: pip install "trtnn[{product.extra}]"') from error
    except (ImportError, OSError) as error:
        raise _broken(product, error) from error
    if not hasattr(trt, "__version__"):  # any folder of the library's name on Python's path can be imported
        folder = next(iter(getattr(trt, "__path__", ())), "another module")
        raise LibraryError(
            problem=f'{product.title} is not installed, and {folder} has its name: pip install "trtnn[{product.extra}]"'
        )
    version = str(trt.__version__)
    version_info = tuple(int(number) for number in re.findall(r"\d+", version))
    if version_info < product.oldest:
        raise LibraryError(
            product.title,
            expected=f"version {'.'.join(map(str, product.oldest))} or newer",
            got=version,
            remedy=f'pip install --upgrade "trtnn[{product.extra}]"',
        )
    return Library(trt=trt, target=target, version=version, version_info=version_info)


def available(target: str) -> bool:
    """Whether the library of a target is installed, found out without importing it."""
    spec = importlib.util.find_spec(_product(target).module)
    return spec is not None and spec.origin is not None  # a folder that only has the name has no origin


def _product(target: str) -> _Product:
    if target not in _PRODUCTS:
        raise ArgumentError("target", expected=" or ".join(map(repr, _PRODUCTS)), got=repr(target))
    return _PRODUCTS[target]


def _broken(product: _Product, error: Exception) -> LibraryError:
    return LibraryError(
        problem=f"{product.title} is installed but cannot be imported: {error}",
        remedy=f'reinstall it: pip install --force-reinstall "trtnn[{product.extra}]"',
    )
