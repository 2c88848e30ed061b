"""One engine for each store: a lock on a file, which the system releases however a process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import clock
from engine.errors import StoreBroken
from engine.store.access import make_file, make_folder

NAME = "engine.lock"
PATIENCE_SECONDS = 0.05


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the store's lock; raise StoreBroken where another engine has it."""
    with _usable(directory / NAME):
        make_folder(directory)
        make_file(directory / NAME)
        file = os.open(directory / NAME, os.O_RDWR)
    try:
        if not _is_ours(file):
            raise StoreBroken(
                f"{directory}: must be used by one engine alone, is used by process"
                f" {_pid(file)}. Stop that one, or choose another store.directory."
            )
        with _usable(directory / NAME):
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Raise StoreBroken for what the system raises inside."""
    try:
        yield
    except OSError as wrong:
        raise StoreBroken(
            f"{path}: must be writable, is not: {wrong.strerror}. Correct store.directory, its"
            " permissions or its disk."
        ) from wrong


def _is_ours(file: int) -> bool:
    """Take the lock; `holder` may have it for a moment."""
    patience_ends = clock.seconds() + PATIENCE_SECONDS
    while not _locked(file, fcntl.LOCK_EX):
        if clock.seconds() >= patience_ends:
            return False
    return True


def holder(directory: Path) -> int | None:
    """Return the process id of the engine that uses a store, None where there is none."""
    try:
        file = os.open(directory / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(file, fcntl.LOCK_SH) else _pid(file)
    finally:
        os.close(file)


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: int) -> int:
    return int(os.pread(file, 32, 0) or b"0")
