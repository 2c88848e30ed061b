"""Turns a declaration of fields into memory: rows of 8-byte words.

`Record` is the one way to declare such rows. The same class serves numpy (`Record.dtype`), the
compiled core (records by reference) and ordinary Python (attribute access on the very same bytes),
so that interpreted and compiled code cannot disagree about the layout.
"""

import ctypes
import functools
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from engine.errors import ConfigError

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as StructureType
else:
    StructureType = type(ctypes.Structure)

WORD = 8

WORDS: dict[Any, type] = {float: ctypes.c_double, int: ctypes.c_int64, bool: ctypes.c_int64}


class Array:
    """The declaration of a fixed number of words; made by `floats(n)` and `ints(n)`."""

    def __init__(self, word: Any, length: int | None) -> None:
        self.word = word
        self.length = length


def floats(length: int | None = None) -> Any:
    """Declare a field of `length` floats, all 0.0 at the start; without one, left to `window`."""
    return Array(ctypes.c_double, length)


def ints(length: int) -> Any:
    """Declare a field of `length` whole numbers, all 0 at the start."""
    return Array(ctypes.c_int64, length)


class _Layout(StructureType):
    """Lays out a record when its class is made."""

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
        super().__init__(name, bases, body)
        if ctypes.Structure in bases:
            return
        cls.is_open = any(map(is_open, declared_of(cls).values()))
        if cls.is_open:
            return
        cls._fields_ = list(_fields(cls, cls.__qualname__))
        made: Any = cls
        cls.dtype: np.dtype[np.void] = np.dtype(made)
        cls.words = ctypes.sizeof(made) // WORD


class Record(ctypes.Structure, metaclass=_Layout):
    """Base of every row of the core: annotated fields, each one or more 8-byte words.

    A field is `float`, `int`, `bool` (stored as 0 or 1), another record, `floats(n)` or `ints(n)`.
    Class attributes `dtype` (numpy) and `words` (length in 8-byte words) follow from the fields.
    With `floats()` the length is open, and the class has neither: `closed` makes one that has.
    """

    dtype: ClassVar[np.dtype[np.void]]
    words: ClassVar[int]
    is_open: ClassVar[bool]


def declared_of(record: type) -> dict[str, Any]:
    """Return what each field of a record is: an `Array`, or its type."""
    defaults = record.__dict__
    return {
        name: defaults[name] if isinstance(defaults.get(name), Array) else annotation
        for name, annotation in hints(record).items()
    }


def is_open(declared: Any) -> bool:
    """Return whether a field leaves the length of an array to `window`."""
    if isinstance(declared, Array):
        return declared.length is None
    return isinstance(declared, type) and issubclass(declared, Record) and declared.is_open


@functools.cache
def closed(record: type[Record], length: int) -> type[Record]:
    """Return a subclass with `length` words in each open array, those within it included."""
    body: dict[str, Any] = {"__annotations__": {}, "__module__": record.__module__}
    for name, declared in declared_of(record).items():
        if isinstance(declared, Array):
            body[name] = Array(declared.word, declared.length or length)
        elif is_open(declared):
            declared = closed(declared, length)
        body["__annotations__"][name] = list if name in body else declared
    return type(record.__name__, (record,), body)


def _fields(declared: type, owner: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, ctypes type) for each annotated field, or raise with all that is wrong."""
    wrong = []
    for name, field in declared_of(declared).items():
        place = f"{where(declared)}: {owner}.{name}"
        if isinstance(field, Array):
            yield name, field.word * field.length
        elif isinstance(field, type) and issubclass(field, Record):
            yield name, field
        elif field in WORDS:
            yield name, WORDS[field]
        else:
            shown = getattr(field, "__name__", field)
            wrong.append(
                f"{place}: must be float, int, bool, floats(n) or ints(n), was {shown}."
                " Keep other values outside the state."
            )
    if wrong:
        raise ConfigError(*wrong)


def hints(declared: type) -> dict[str, Any]:
    """Return the fields a class itself declares, in order, their types resolved."""
    own = inspect.get_annotations(declared)
    resolved = typing.get_type_hints(declared)
    return {
        name: resolved[name] for name in own if typing.get_origin(resolved[name]) is not ClassVar
    }


def where(declared: Any) -> str:
    """Return `file:line` of a class or function."""
    try:
        return place(inspect.getsourcefile(declared) or "", inspect.getsourcelines(declared)[1])
    except (OSError, TypeError):
        return str(getattr(declared, "__module__", declared))


def place(file: str, line: int | None) -> str:
    """Return `file:line`, the file as seen from the working directory where it lies below it."""
    path, here = Path(file), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"


def names(record: type[Record]) -> tuple[str, ...]:
    """Return the field names of a record, without the filler of an empty one."""
    return tuple(n for n, *_ in record._fields_ if n != "unused")


def numbers(record: type[Record], first: int = 0) -> Iterator[tuple[str, int, Any]]:
    """Yield path, word and dtype of each single number; those of inner records as `rsi.value`."""
    for name in names(record):
        dtype, offset = record.dtype.fields[name][:2]  # type: ignore[index]
        word = first + offset // WORD
        if dtype.names:
            inner: Any = {field[0]: field[1] for field in record._fields_}[name]
            for path, at, number in numbers(inner, word):
                yield f"{name}.{path}", at, number
        elif not dtype.shape:
            yield name, word, dtype
