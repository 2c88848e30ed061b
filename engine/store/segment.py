"""One file of the journal: events as they came, in frames that show where a crash cut them.

A segment is named by the seq of its first event. It holds a header (magic, version, layout of an
event) and frames: bytes of the rows, checksum, first seq and number of rows, then the rows as they
lie in memory. All of it is made of 8-byte words. A segment that is over is compressed.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zstandard

from engine.core.records import Event
from engine.errors import JournalBroken
from engine.failpoint import hit

Rows = np.ndarray[Any, np.dtype[np.void]]

LAYOUT = repr(Event.dtype.descr)

_HEADER = struct.Struct("<8sII")
_START = _HEADER.pack(b"CHANQUAN", 1, zlib.crc32(LAYOUT.encode()))
_FRAME = struct.Struct("<IIqQ")  # bytes of the rows, checksum of all that follows, first seq, rows
_CHECKED = 8  # where in a frame the checksum begins
_ROW = Event.dtype.itemsize
_CHUNK = 4 << 20
_LEVEL = 3


class Segment:
    """A segment that is read.

    first  seq of its first event
    next   seq behind the last event that was read from it
    size   bytes, as if it were not compressed
    whole  bytes up to the end of the last whole frame that was read
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_compressed = path.suffix == ".zst"
        self.first = self.next = int(path.name.partition(".")[0])
        self.size = self.whole = 0

    def read(self) -> Iterator[Rows]:
        """Yield the events, some megabytes at a time, up to the first frame that is not whole.

        Raises JournalBroken for a file of another version, or one that cannot be read.
        """
        self.next, self.whole = self.first, 0
        yield from self.read_on()

    def read_on(self) -> Iterator[Rows]:
        """Yield the events behind those that were read; else as `read`."""
        try:
            with self.path.open("rb") as file:
                self.size, content = self._content(file)
                if self.whole or self._begins(content.read(_HEADER.size)):
                    content.seek(self.whole)
                    yield from self._frames(content)
        except (OSError, zstandard.ZstdError) as wrong:
            raise self.broken(self.next, str(wrong)) from wrong

    def next_whole(self) -> int | None:
        """Return the seq of the first whole frame behind one that is not, None without one."""
        with self.path.open("rb") as file:
            file.seek(self.whole)
            left = file.read(self.size - self.whole)  # not what is being appended right now
        words = np.frombuffer(left, np.int64, len(left) // 8)
        count = words[2:]
        fits = (count > 0) & (words[:-2] & 0xFFFFFFFF == count * _ROW) & (words[1:-1] > self.next)
        for at in (np.flatnonzero(fits) * 8).tolist():
            length, checksum, seq, _ = _FRAME.unpack_from(left, at)
            end = at + _FRAME.size + length
            if end <= len(left) and zlib.crc32(left[at + _CHECKED : end]) == checksum:
                return int(seq)
        return None

    def broken(self, seq: int, why: str) -> JournalBroken:
        """Return the error that event `seq` and what follows it cannot be read."""
        return JournalBroken(
            f"{self.path}: must hold whole events from {seq} on, does not: {why}. Restore the file"
            " from a backup, or begin with another store.directory."
        )

    def _content(self, file: BinaryIO) -> tuple[int, BinaryIO]:
        """Return how many bytes there are, and a reader of them."""
        if not self.is_compressed:
            return os.fstat(file.fileno()).st_size, file
        size = zstandard.get_frame_parameters(file.read(18)).content_size
        file.seek(0)
        return size, zstandard.ZstdDecompressor().stream_reader(file, read_size=_CHUNK)

    def _begins(self, start: bytes) -> bool:
        """Return whether there is a header: a power cut can leave a part of it, or zeros."""
        if start == _START:
            self.whole = len(start)
            return True
        if len(start) == len(_START) and any(start):
            raise JournalBroken(
                f"{self.path}: must be a journal of this release, is of another or garbled. Run"
                " the release that wrote it, or restore the file from a backup."
            )
        return False

    def _frames(self, content: BinaryIO) -> Iterator[Rows]:
        rest = b""
        while (data := content.read(_CHUNK)) and self._may_hold(rest):
            data = rest + data
            frames, end = self._take(data)
            rest = data[end:]
            self.whole += end
            if frames:
                words = np.frombuffer(data, np.int64, end // 8)
                heads = np.add.outer(np.array(frames) // 8, np.arange(_FRAME.size // 8))
                yield np.delete(words, heads.ravel()).view(Event.dtype)

    def _take(self, data: bytes) -> tuple[list[int], int]:
        """Return where the whole frames begin that data begins with, and where they end."""
        frames = []
        seq, at, size = self.next, 0, len(data)
        unpack, checksum_of = _FRAME.unpack_from, zlib.crc32  # once for each of millions of frames
        while at + _FRAME.size <= size:
            length, checksum, first, count = unpack(data, at)
            end = at + _FRAME.size + length
            if first != seq or length != count * _ROW or end > size:
                break
            if checksum_of(data[at + _CHECKED : end]) != checksum:
                break
            frames.append(at)
            seq += count
            at = end
        self.next = seq
        return frames, at

    def _may_hold(self, rest: bytes) -> bool:
        """Return whether `rest`, behind the whole frames, can begin one that goes on."""
        if len(rest) < _FRAME.size:
            return True
        length, _, first, count = _FRAME.unpack_from(rest)
        is_frame = bool(first == self.next and length == count * _ROW)
        return is_frame and len(rest) < _FRAME.size + length <= self.size - self.whole


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a run, in order; of one that is there twice, the compressed."""
    found = {path.name.partition(".")[0]: path for path in sorted(folder.glob("*.events"))}
    found |= {path.name.partition(".")[0]: path for path in sorted(folder.glob("*.events.zst"))}
    return [Segment(found[name]) for name in sorted(found)]


def frame(events: Rows, first: int) -> bytes:
    """Return the bytes that stand for events; `first` is the seq of the first of them."""
    rows = events.tobytes()
    checksum = zlib.crc32(rows, zlib.crc32(struct.pack("<qQ", first, len(events))))
    return _FRAME.pack(len(rows), checksum, first, len(events)) + rows


def create(folder: Path, first: int) -> tuple[Path, int]:
    """Make a segment, not synced; return its path and a file to append to."""
    path = folder / f"{first:016d}.events"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    write(file, _START)
    return path, file


def compress(path: Path) -> None:
    """Replace a segment by a compressed one; whenever this is cut short, one of them is whole."""
    made = path.with_suffix(".events.zst")
    part = made.with_suffix(".tmp")
    size = path.stat().st_size
    packer = zstandard.ZstdCompressor(_LEVEL, write_checksum=True)
    with path.open("rb") as source, part.open("wb") as target:
        packer.copy_stream(source, target, size=size, read_size=_CHUNK)
        target.flush()
        os.fsync(target.fileno())
    taken = path.stat()
    os.utime(part, ns=(taken.st_atime_ns, taken.st_mtime_ns))  # it expires by the age of its events
    part.replace(made)
    sync_folder(path.parent)
    hit("journal.rotate.inside")
    path.unlink()
    hit("journal.rotate.after")


def write(file: int, data: bytes) -> None:
    """Write all of data to a file descriptor."""
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, data[written:])


def write_synced(path: Path, data: bytes) -> None:
    """Make or replace a file so that after a power cut it is the old or the new one, whole."""
    part = path.with_suffix(".tmp")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed and removed in a folder survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
