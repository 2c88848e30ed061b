"""Every event that enters the core, in order, on disk before what it caused is committed.

A run writes segments into a folder of its own; `run.json` in it names the run it goes on from.
Going back from there, the runs are one sequence of events without a gap: the lineage.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from engine.errors import InvariantBroken, JournalBroken
from engine.failpoint import hit
from engine.store.segment import (
    LAYOUT,
    Rows,
    Segment,
    compress,
    create,
    frame,
    segments,
    sync_folder,
    write,
    write_synced,
)


@dataclass(frozen=True)
class Run:
    """What the folder of a run says about it.

    run         its id, the name of the folder
    continues   id of the run whose state and events it goes on from, None where it began anew
    first_seq   seq of its first event
    started_at  ms
    symbols     names that `Event.symbol` counts
    """

    run: str
    continues: str | None
    first_seq: int
    started_at: int
    symbols: tuple[str, ...]


class Journal:
    """Writes the events of a run, whose folder `begin` has made.

    `append` is for one thread; `sync`, `rotate` and `close` are for one other. After an error
    every call raises it again: what was written last is not known to be on disk.
    """

    def __init__(self, folder: Path, segment_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self.next = run_in(folder).first_seq  # seq that the next event must have
        self._segment_bytes = segment_bytes
        self._path = folder
        self._file: int | None = None
        self._size = 0
        self._is_new = self._is_dirty = False  # the folder's entry, the content: not synced
        self._lock = threading.Lock()
        self._compressor = ThreadPoolExecutor(1, "journal")
        self._failure: JournalBroken | None = None

    def append(self, events: Rows) -> None:
        """Hand events to the operating system: they survive the process, not yet a power cut.

        Raises InvariantBroken where their seq does not go on, JournalBroken where the disk fails.
        """
        hit("journal.append.before")
        count = len(events)
        seq = events["seq"]
        if not count or seq[0] != self.next or seq[-1] != self.next + count - 1:
            raise InvariantBroken(
                f"{self.folder}: events must go on with seq {self.next}, were"
                f" {seq[:1].tolist()} to {seq[-1:].tolist()}. Keep the folder and report this."
            )
        data = frame(events, self.next)
        with self._lock:
            try:
                write(self._segment(), data)
            except OSError as wrong:
                raise self._failed(wrong) from wrong
            self._size += len(data)
            self._is_dirty = True
            self.next += count
        hit("journal.append.after")

    def sync(self) -> None:
        """Make all that was appended survive a power cut; then rotate a segment that is full."""
        hit("journal.sync.before")
        self._sync()
        if self._size >= self._segment_bytes:
            self.rotate()
        hit("journal.sync.after")

    def rotate(self) -> None:
        """End the segment; it is compressed in the background, and the next append begins another.

        A segment is synced before the next exists: only the last of a run can be torn.
        """
        hit("journal.rotate.before")
        with self._lock:
            self._sync_file(self._file, self._is_dirty, self._is_new)
            self._is_dirty = self._is_new = False
            if self._file is None:
                return
            os.close(self._file)
            self._file, self._size = None, 0
            self._compressor.submit(_compressed, self._path)  # before an append begins another

    def close(self) -> None:
        """Sync what there is and wait until it is compressed; the last call."""
        try:
            if self._failure is None:
                self.rotate()
        finally:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            self._compressor.shutdown()

    def _segment(self) -> int:
        """Return the file to append to."""
        if self._failure is not None:
            raise self._failure
        if self._file is None:
            self._path, self._file = create(self.folder, self.next)
            self._is_new = True
        return self._file

    def _sync(self) -> None:
        with self._lock:  # not held during the sync, so that appending goes on
            file, is_dirty, is_new = self._file, self._is_dirty, self._is_new
            self._is_dirty = self._is_new = False
        self._sync_file(file, is_dirty, is_new)

    def _sync_file(self, file: int | None, is_dirty: bool, is_new: bool) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            if file is not None and is_dirty:
                os.fsync(file)
            if is_new:
                sync_folder(self.folder)
        except OSError as wrong:
            raise self._failed(wrong) from wrong

    def _failed(self, wrong: OSError) -> JournalBroken:
        self._failure = _unusable(self._path, wrong)
        return self._failure


def begin(root: Path, run: Run) -> Path:
    """Make the folder of a run below `root`, whole and synced; return it."""
    folder = root / run.run
    try:
        folder.mkdir(parents=True)
        content = json.dumps(asdict(run) | {"dtype": LAYOUT}, indent=1)
        write_synced(folder / "run.json", content.encode())
        sync_folder(root)
    except OSError as wrong:
        raise _unusable(folder, wrong) from wrong
    return folder


def run_in(folder: Path) -> Run:
    """Return what the folder of a run says about it; raise JournalBroken where it cannot."""
    path = folder / "run.json"
    try:
        found = json.loads(path.read_bytes())
        layout = found.pop("dtype")
        run = Run(**found | {"symbols": tuple(found["symbols"])})
    except OSError as wrong:
        raise _unusable(path, wrong) from wrong
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise JournalBroken(
            f"{path}: must describe a run as JSON, does not: {wrong}. Restore it from a backup."
        ) from wrong
    if layout != LAYOUT:
        raise JournalBroken(
            f"{path}: must be of a release with the same events, was of another. Run the release"
            " that wrote it."
        )
    return run


def keep_start(folder: Path, block: bytes) -> None:
    """Store the block that a run begins with where it does not go on from the one before."""
    try:
        write_synced(folder / "state.block", hashlib.sha256(block).digest() + block)
    except OSError as wrong:
        raise _unusable(folder, wrong) from wrong


def start(folder: Path) -> bytes | None:
    """Return the block that `keep_start` stored, None without one; raise JournalBroken."""
    path = folder / "state.block"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise _unusable(path, wrong) from wrong
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        raise JournalBroken(
            f"{path}: must match its checksum, does not. Restore it from a backup, or begin with"
            " another store.directory."
        )
    return data[32:]


def lineage(root: Path, run: str) -> list[Path]:
    """Return the folders of a run and of those it goes on from, oldest first.

    Runs that have expired are not among them. Raises JournalBroken where there is no such run.
    """
    folders = [root / run]
    while (before := run_in(folders[0]).continues) and (root / before / "run.json").exists():
        if root / before in folders:
            raise JournalBroken(
                f"{folders[0]}: must go on from an earlier run, goes on from {before}, a later"
                " one. Restore run.json from a backup."
            )
        folders.insert(0, root / before)
    return folders


def latest(root: Path, run: str) -> str:
    """Return the newest run that goes on from a run, however far; the run itself where none does.

    A store that was restored from a backup names an older run than the journal has.
    """
    later = sorted(
        (run_in(path.parent) for path in root.glob("*/run.json")),
        key=lambda found: (found.first_seq, found.started_at),
    )
    for found in later:
        if found.continues == run:
            run = found.run
    return run


def read(root: Path, run: str, after: int = -1) -> Iterator[Rows]:
    """Yield the events of a lineage with a seq above `after`, some megabytes at a time.

    A lineage that began anew is read from its first event. A run ends where a crash tore its last
    segment. Raises JournalBroken where events are missing or garbled, not for those up to `after`.
    """
    folders = lineage(root, run)
    runs = [run_in(folder) for folder in folders]
    seq = after + 1 if runs[0].continues else max(after + 1, runs[0].first_seq)
    for folder, this, later in zip(folders, runs, [*runs[1:], None], strict=True):
        if later is not None and later.first_seq <= seq:
            continue
        if this.first_seq > seq:
            raise _missing(folder, seq, this.first_seq - 1)
        for rows in _events(folder, seq):
            yield rows
            seq += len(rows)
        if later is not None and later.first_seq > seq:
            raise _missing(folder, seq, later.first_seq - 1)
        if later is not None and later.first_seq < seq:
            raise JournalBroken(
                f"{folder}: must end with event {later.first_seq - 1}, before run {later.run}, ends"
                f" with {seq - 1}. Restore both folders from one backup."
            )


def last_seq(root: Path, run: str) -> int:
    """Return the seq of the last whole event of a run, or of the one before it."""
    found = segments(root / run)
    return _end(found[-1]) if found else run_in(root / run).first_seq - 1


def repair(folder: Path, committed: int | None = None) -> int:
    """Cut off what a crash left behind the last whole event of a run; return how many bytes.

    committed  the seq up to which events are known to have been synced: behind it a power cut may
               have written some and not others; a file that ends before it is left as evidence.
               None refuses whole events behind garbled ones.
    """
    for path in [*folder.glob("*.tmp"), *folder.glob("*.events")]:
        if path.suffix == ".tmp" or path.with_suffix(".events.zst").exists():
            path.unlink()
    found = segments(folder)
    if not found:
        return 0
    last = found[-1]
    _end(last, committed)
    if committed is not None and last.next <= committed:
        return 0
    if torn := last.size - last.whole:
        with last.path.open("r+b") as file:
            file.truncate(last.whole)
            os.fsync(file.fileno())
    return torn


def expire(root: Path, before_ms: int, keep_after_seq: int) -> int:
    """Remove segments last written before `before_ms`; return how many.

    Those with events above `keep_after_seq` stay, and so does the newest run.
    """
    folders = [path.parent for path in root.glob("*/run.json")]
    folders.sort(key=lambda folder: (run_in(folder).first_seq, run_in(folder).started_at))
    removed = 0

    def is_needed(path: Path, end: int) -> bool:
        written = path.stat().st_mtime_ns // 1_000_000
        return written >= before_ms or end > keep_after_seq + 1

    for folder, later in pairwise(folders):
        found = segments(folder)
        ends = [segment.first for segment in found[1:]] + [run_in(later).first_seq]
        for segment, end in zip(found, ends, strict=False):
            if is_needed(segment.path, end):
                return removed
            segment.path.unlink()
            removed += 1
        if is_needed(folder / "run.json", ends[-1]):
            return removed
        for path in sorted(folder.iterdir(), reverse=True):  # run.json goes when nothing needs it
            path.unlink()
        folder.rmdir()
    return removed


def _events(folder: Path, seq: int) -> Iterator[Rows]:
    """Yield the events of one run from `seq` on, which must be there if any later one is."""
    found = segments(folder)
    for segment, later in zip(found, [*found, None][1:], strict=True):
        if later is not None and later.first <= seq:
            continue
        if segment.first > seq:
            raise _missing(folder, seq, segment.first - 1)
        for rows in segment.read():
            wanted = rows[max(0, seq - int(rows["seq"][0])) :]
            seq += len(wanted)
            if len(wanted):
                yield wanted
        if later is None:
            _refuse_garbled(segment)
        elif segment.whole < segment.size:
            raise segment.broken(segment.next, "they are garbled")


def _end(last: Segment, committed: int | None = None) -> int:
    """Return the seq of the last whole event of the last segment of a run."""
    for _ in last.read():
        pass
    if committed is None or last.next <= committed:
        _refuse_garbled(last)
    return last.next - 1


def _refuse_garbled(last: Segment) -> None:
    """Raise JournalBroken where the last segment of a run is not merely torn."""
    if last.whole >= last.size:  # above it: events were appended meanwhile
        return
    if last.is_compressed:
        raise last.broken(last.next, "they are garbled")
    if later := last.next_whole():
        raise last.broken(last.next, f"they are garbled up to {later - 1}, and {later} is not")


def _compressed(path: Path) -> None:
    """Compress a segment; one that the disk has no room for stays as it is, which is as good."""
    with suppress(OSError):
        compress(path)


def _missing(folder: Path, first: int, last: int) -> JournalBroken:
    return JournalBroken(
        f"{folder}: must hold the events {first} to {last}, does not: a file was removed or cut, or"
        " has expired. Restore the folder from a backup, or begin with another store.directory."
    )


def _unusable(path: Path, wrong: OSError) -> JournalBroken:
    return JournalBroken(
        f"{path}: must be readable and writable, is not: {wrong.strerror}. Correct the disk, its"
        " space or its permissions, then start again."
    )
