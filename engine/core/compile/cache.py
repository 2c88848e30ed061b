"""Where compiled functions are kept, and the keys that say when one may be used again.

numba's own key covers neither constants nor imported helpers: it ran code that had been edited
(`docs/decisions/002-one-compiled-path.md`). The key here is a fingerprint of all that a function
reaches. Every edit therefore makes a new file; those not used for a month are removed.
"""

import dis
import hashlib
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from engine.errors import ConfigError

KEEP_SECONDS = 30 * 86_400

_VERSIONS = "|".join((sys.version, numba.__version__, llvmlite.__version__, np.__version__))
_EXTENDED_ARG, _LOAD_GLOBAL, _LOAD_NAME = (
    dis.opmap[name] for name in ("EXTENDED_ARG", "LOAD_GLOBAL", "LOAD_NAME")
)
_LIBRARIES = ("math", "numpy", "numba", "builtins")


def folder() -> Path:
    """Return where compiled code is kept: $CHANQUANT_CACHE, or the user's cache folder."""
    chosen = os.environ.get("CHANQUANT_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chanquant"


def must_be_ours() -> None:
    """Make the folder, for this user alone; raise ConfigError where others may write to it.

    What lies there is run: numba keeps compiled code, and an index of it that is unpickled.
    """
    path = folder()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
        raise ConfigError(
            f"{path}: must be this user's or root's and writable by nobody else, since code is"
            " loaded from it, was not. Remove it, or choose another folder with CHANQUANT_CACHE."
        )


def is_kept(key: str) -> bool:
    """Return whether the function of this key was checked and compiled before; mark it as used."""
    mark = folder() / "keys" / key
    if not mark.exists():
        return False
    mark.touch()
    return True


def keep(key: str) -> None:
    """Note that the function of this key is compiled and in order."""
    mark = folder() / "keys" / key
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def prune(now: float) -> int:
    """Remove what was not used since `now` - KEEP_SECONDS (both in seconds); return how many."""
    keys = folder() / "keys"
    old = [m for m in keys.glob("*") if m.stat().st_mtime < now - KEEP_SECONDS]
    for mark in old:
        for compiled in folder().glob(f"code/**/*{mark.name}*"):
            compiled.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
    return len(old)


def fingerprint(function: Any, *extra: str) -> str:
    """Return a key over bytecode, constants and everything a function reaches, and versions."""
    digest = hashlib.blake2b(digest_size=10)
    for text in (_VERSIONS, *extra):
        digest.update(text.encode())
    _function(digest, function, set())
    return digest.hexdigest()


def globals_of(code: types.CodeType) -> Iterator[str]:
    """Yield the global names that a code object reads, those of inner functions included.

    Reads the words of the bytecode itself: `dis` takes a third of a second for the core.
    """
    extended = 0
    for operation, argument in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument |= extended
        extended = argument << 8 if operation == _EXTENDED_ARG else 0
        if operation == _LOAD_GLOBAL:
            yield code.co_names[argument >> 1]
        elif operation == _LOAD_NAME:
            yield code.co_names[argument]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from globals_of(constant)


def _function(digest: Any, function: Any, seen: set[Any]) -> None:
    if function in seen:
        return
    seen.add(function)
    _code(digest, function.__code__)
    for cell in function.__closure__ or ():
        _value(digest, cell.cell_contents, seen)
    for name in sorted(set(globals_of(function.__code__))):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        digest.update(name.encode())
        _value(digest, value, seen)
        if isinstance(value, types.ModuleType) and value.__name__.split(".")[0] not in _LIBRARIES:
            for attribute in function.__code__.co_names:
                if attribute in vars(value):
                    _value(digest, vars(value)[attribute], seen)


def _code(digest: Any, code: types.CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        _value(digest, constant, set())


def _value(digest: Any, value: Any, seen: set[Any]) -> None:
    if isinstance(value, types.CodeType):
        _code(digest, value)
    elif isinstance(value, types.FunctionType):
        _function(digest, value, seen)
    elif isinstance(value, tuple | list):
        for item in value:
            _value(digest, item, seen)
    elif isinstance(value, frozenset):
        for item in sorted(value, key=repr):
            _value(digest, item, seen)
    elif isinstance(value, np.ndarray):
        digest.update(repr((value.dtype.descr, value.shape)).encode() + value.tobytes())
    elif isinstance(value, type) and hasattr(value, "__members__"):
        digest.update(repr([(n, int(m)) for n, m in value.__members__.items()]).encode())
    elif isinstance(value, int | float | complex | str | bytes | bool | np.dtype | None):
        digest.update(f"{type(value).__name__}{value!r}".encode())
    else:
        digest.update(f"{getattr(value, '__module__', '')}.{value!r}".encode())
