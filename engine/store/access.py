"""Who may use what an engine keeps: its own user, and the group of its folder; nobody else.

The panel may be another user of that group. It writes its own store, and where the engine is dead
also the small files that SQLite puts beside the engine's, which whoever comes next must be able to
open. So a folder hands its group on, and the group may write.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = 0o770
FILE = 0o660
HANDS_ON = 0o2000  # what is made inside belongs to the folder's group


def make_folder(folder: Path) -> None:
    """Make a folder for the group; leave one that is there as it is."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(FOLDER)
    with suppress(PermissionError):  # macOS, where a group is handed on without
        folder.chmod(FOLDER | HANDS_ON)


def make_file(path: Path) -> None:
    """Make an empty file for the group; leave one that is there as it is."""
    with suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(file, FILE)  # whatever the umask is
        os.close(file)


@contextmanager
def for_the_group() -> Iterator[None]:
    """Have this process make every file and folder for the group; not to be used by threads."""
    before = os.umask(0o007)
    try:
        yield
    finally:
        os.umask(before)
