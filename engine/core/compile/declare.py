"""Turns classes into memory: a declaration of fields becomes rows of 8-byte words.

`Record` is the one way to declare such rows. The same class serves numpy (`Record.dtype`), the
compiled core (records by reference) and ordinary Python (attribute access on the very same bytes),
so that interpreted and compiled code cannot disagree about the layout.

`Strategy` and `Rule` are what users subclass; their parameters and `State` become records.
"""

import ctypes
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from engine.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as StructureType
else:
    StructureType = type(ctypes.Structure)

WORD = 8

_WORDS: dict[Any, type] = {float: ctypes.c_double, int: ctypes.c_int64, bool: ctypes.c_int64}


class Array:
    """The declaration of a fixed number of words; made by `floats(n)` and `ints(n)`."""

    def __init__(self, word: Any, length: int) -> None:
        self.word = word
        self.length = length


def floats(length: int) -> Any:
    """Declare a field of `length` floats, all 0.0 at the start."""
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
        cls._fields_ = list(_fields(cls, cls.__qualname__))
        made: Any = cls
        cls.dtype: np.dtype[np.void] = np.dtype(made)
        cls.words = ctypes.sizeof(made) // WORD


class Record(ctypes.Structure, metaclass=_Layout):
    """Base of every row of the core: annotated fields, each one or more 8-byte words.

    A field is `float`, `int`, `bool` (stored as 0 or 1), another record, `floats(n)` or `ints(n)`.
    Class attributes `dtype` (numpy) and `words` (length in 8-byte words) follow from the fields.
    """

    dtype: ClassVar[np.dtype[np.void]]
    words: ClassVar[int]


def _fields(declared: type, owner: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, ctypes type) for each annotated field, or raise with all that is wrong."""
    wrong = []
    for name, annotation in hints(declared).items():
        default = declared.__dict__.get(name)
        if isinstance(default, Array):
            yield name, default.word * default.length
        elif isinstance(annotation, type) and issubclass(annotation, Record):
            yield name, annotation
        elif annotation in _WORDS:
            yield name, _WORDS[annotation]
        else:
            shown = getattr(annotation, "__name__", annotation)
            wrong.append(
                f"{where(declared)}: {owner}.{name}: must be float, int, bool, floats(n) or"
                f" ints(n), was {shown}. Keep other values outside the state."
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


class Part:
    """What strategies and rules share: parameters as annotated fields, and an optional `State`.

    Parameters of type float, int and bool reach the compiled code as `p`; others (a path, a secret)
    stay with the object. `Params` and `StateRecord` are the two records made from the class.
    """

    entry: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]]
    Params: ClassVar[type[Record]]
    StateRecord: ClassVar[type[Record]]
    state_defaults: ClassVar[Mapping[str, Any]]
    compiled: ClassVar[bool] = True
    raised: Exception | None = None  # by an ordinary Python function, kept for the sentence

    def __init_subclass__(cls) -> None:
        if cls.__dict__.get("entry"):
            return
        numbers = {n: t for n, t in cls.parameters().items() if t in _WORDS}
        cls.Params = _record(cls, "Params", numbers, {})
        state = getattr(cls, "State", None)
        declared = hints(state) if state else {}
        defaults = {n: state.__dict__[n] for n in declared if n in state.__dict__} if state else {}
        cls.StateRecord = _record(cls, "State", declared, defaults)
        cls.state_defaults = {n: d for n, d in defaults.items() if not isinstance(d, Array)}

    def __init__(self, **parameters: Any) -> None:
        known = self.parameters()
        for name, value in parameters.items():
            if name not in known:
                raise TypeError(f"{type(self).__name__} has no parameter {name}")
            setattr(self, name, value)

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """Return name → type of every parameter, those of base classes first."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            if issubclass(base, Part) and "entry" not in base.__dict__ and base is not Part:
                found |= hints(base)
        return found

    @classmethod
    def function(cls) -> Callable[..., Any]:
        """Return the function that the core calls: `step` of a strategy, `check` of a rule."""
        return typing.cast(Callable[..., Any], getattr(cls, cls.entry))

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that does not fit the others; none by default."""
        return iter(())

    def params_words(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return this object's parameters as the words of its `Params` row, shape (words,)."""
        return _words(self.Params, {n: getattr(self, n) for n in names(self.Params)})

    def state_words(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the declared start values as the words of its `State` row, shape (words,)."""
        return _words(self.StateRecord, self.state_defaults)


def names(record: type[Record]) -> tuple[str, ...]:
    """Return the field names of a record, without the filler of an empty one."""
    return tuple(n for n, *_ in record._fields_ if n != "unused")


def _record(
    owner: type, suffix: str, fields: Mapping[str, Any], defaults: Mapping[str, Any]
) -> type[Record]:
    arrays = {n: d for n, d in defaults.items() if isinstance(d, Array)}
    body: dict[str, Any] = {"__annotations__": dict(fields) or {"unused": int}, **arrays}
    body["__module__"] = owner.__module__
    body["__qualname__"] = f"{owner.__qualname__}.{suffix}"
    return type(f"{owner.__name__}{suffix}", (Record,), body)


def _words(record: type[Record], values: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    row = record()
    for name, value in values.items():
        setattr(row, name, value)
    return np.frombuffer(bytearray(row), np.int64)


class Strategy(Part):
    """One declared way to trade: parameters, `class State`, and `step(p, s, bar, out)`.

    `step` is called on each closed bar of the instance's timeframe (`on = "tick"`: on each tick,
    with the forming bar). It reads `p` (parameters), `s` (state, kept between calls) and `bar`, and
    writes `out`: `target` (exposure in [-1, 1]), `stop` and `take` (prices, 0.0 for none) and `tag`
    (why; texts in `tags`). `out` holds the present wishes: not writing means no change.

    `shows` (on the scale of the price) and `shows_below` (on one of their own) name the fields of
    the state that a report draws, with their labels; `{length}` in a label is that parameter.
    """

    entry = "step"
    arguments = ("bar", "out")
    on: ClassVar[str] = "bar"
    tags: ClassVar[Mapping[int, str]] = {}
    shows: ClassVar[Mapping[str, str]] = {}
    shows_below: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        single = [n for n in names(cls.StateRecord) if not cls.StateRecord.dtype[n].shape]
        wrong = []
        for key in ("shows", "shows_below"):
            begin = f"{where(cls)}: {cls.__name__}.{key}: must name"
            for field, label in getattr(cls, key).items():
                if field not in single:
                    near = did_you_mean(field, single) or "."
                    known = f"fields of State that are one number ({', '.join(single)})"
                    wrong.append(f"{begin} {known}, was {field!r}{near} Correct it.")
                for _, name, *_ in Formatter().parse(label):
                    if name is not None and name not in cls.parameters():
                        near = did_you_mean(name, cls.parameters()) or "."
                        wrong.append(
                            f"{begin} parameters in braces, was {label!r}{near} Correct it."
                        )
        if wrong:
            raise ConfigError(*wrong)


class Rule(Part):
    """One limit on openings: parameters, `class State`, and `check(p, s, view, intent) -> bool`.

    `check` answers whether the intent must be denied, and leaves what it measured and the limit in
    `intent.measured` and `intent.limit`. Every rule is asked, in the order of the configuration, so
    that a denial names every reason. Orders that reduce a position are never asked about.
    """

    entry = "check"
    arguments = ("view", "intent")
    reason: ClassVar[str]
