"""Turns classes into memory: a declaration of fields becomes rows of 8-byte words.

`Record` is the one way to declare such rows. The same class serves numpy (`Record.dtype`), the
compiled core (records by reference) and ordinary Python (attribute access on the very same bytes),
so that interpreted and compiled code cannot disagree about the layout.

`Strategy` and `Rule` are what users subclass; their parameters and `State` become records. A record
may leave the length of its arrays open (`floats()`); `window(...)` in a `State` fixes it.
"""

import ctypes
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from engine.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from _ctypes import _PyCStructType as StructureType
else:
    StructureType = type(ctypes.Structure)

WORD = 8
KINDS = ("trend", "range")  # what a strategy can live on

_WORDS: dict[Any, type] = {float: ctypes.c_double, int: ctypes.c_int64, bool: ctypes.c_int64}


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


class Window:
    """The declaration of how many values a record must have room for; made by `window(...)`."""

    def __init__(self, lengths: tuple[str | int, ...]) -> None:
        self.lengths = lengths


def window(*lengths: str | int) -> Any:
    """Declare a field of a record with arrays of open length: room for the longest of `lengths`.

    Each is the name of a parameter, whose largest value counts, or a number.
    """
    return Window(lengths)


class Watch:
    """The declaration of a bar of another series; made by `records.watch(…)`.

    `symbol` and `timeframe` are names of parameters, None for that of the instance itself.
    """

    def __init__(self, record: Any, symbol: str | None, timeframe: str | None) -> None:
        self.record = record
        self.symbol = symbol
        self.timeframe = timeframe


class _Layout(StructureType):
    """Lays out a record when its class is made."""

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
        super().__init__(name, bases, body)
        if ctypes.Structure in bases:
            return
        cls.is_open = any(map(_is_open, _declared(cls).values()))
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


def _declared(record: type) -> dict[str, Any]:
    """Return what each field of a record is: an `Array`, or its type."""
    defaults = record.__dict__
    return {
        name: defaults[name] if isinstance(defaults.get(name), Array) else annotation
        for name, annotation in hints(record).items()
    }


def _is_open(declared: Any) -> bool:
    if isinstance(declared, Array):
        return declared.length is None
    return isinstance(declared, type) and issubclass(declared, Record) and declared.is_open


@functools.cache
def closed(record: type[Record], length: int) -> type[Record]:
    """Return a record with `length` words in each array that was open, those within it included."""
    body: dict[str, Any] = {"__annotations__": {}, "__module__": record.__module__}
    for name, declared in _declared(record).items():
        if isinstance(declared, Array):
            body[name] = Array(declared.word, declared.length or length)
        elif _is_open(declared):
            declared = closed(declared, length)
        body["__annotations__"][name] = list if name in body else declared
    return type(record.__name__, (Record,), body)


def _fields(declared: type, owner: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, ctypes type) for each annotated field, or raise with all that is wrong."""
    wrong = []
    for name, field in _declared(declared).items():
        place = f"{where(declared)}: {owner}.{name}"
        if isinstance(field, Array):
            yield name, field.word * field.length
        elif isinstance(field, type) and issubclass(field, Record):
            yield name, field
        elif field in _WORDS:
            yield name, _WORDS[field]
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
    watches: ClassVar[Mapping[str, Watch]]  # field of the state → what the core keeps there
    longest: ClassVar[Mapping[str, int]]  # of each parameter that a window is made for
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
        cls.watches = _watches(cls, declared, defaults)
        cls.longest = _longest(cls, defaults)
        declared = _rooms(cls, declared, defaults)
        cls.StateRecord = _record(cls, "State", declared, defaults)
        cls.state_defaults = {
            n: d for n, d in defaults.items() if not isinstance(d, Array | Window | Watch)
        }

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
        """Return the declared start values as the words of its `State` row, shape (words,).

        Raises ConfigError where a parameter is longer than the windows that were made for it.
        """
        kind = type(self)
        wrong = [
            f"{where(kind)}: {kind.__name__}: {name} must be at most {most}, was"
            f" {getattr(self, name)}. Choose a shorter one, or raise the bound of the parameter."
            for name, most in self.longest.items()
            if getattr(self, name) > most
        ]
        if wrong:
            raise ConfigError(*wrong)
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


def _watches(
    part: type[Part], fields: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Watch]:
    """Return field → watch of a state; raise ConfigError where there is nothing to watch."""
    found = {name: given for name, given in defaults.items() if isinstance(given, Watch)}
    wrong = []
    for name, watch in found.items():
        field = f"{where(part)}: {part.__qualname__}.State.{name}"
        if part.entry != "step":
            wrong.append(f"{field}: must be watched by a strategy, was by a rule. Remove it.")
        elif fields[name] is not watch.record:
            shown = getattr(fields[name], "__name__", fields[name])
            record = watch.record.__name__
            wrong.append(f"{field}: must be {record} to be watched, was {shown}. Correct it.")
        elif not watch.symbol and not watch.timeframe:
            wrong.append(
                f"{field}: must watch a symbol or a timeframe, was watch(). Name the parameter that"
                ' holds it, such as watch(symbol="other").'
            )
        else:
            wrong += [f"{field}: {sentence}" for sentence in _unnamed(part, watch)]
    if wrong:
        raise ConfigError(*wrong)
    return found


def _unnamed(part: type[Part], watch: Watch) -> Iterator[str]:
    """Yield a sentence for each name of a watch that is no text parameter."""
    texts = [name for name, annotation in part.parameters().items() if annotation is str]
    for kind, name in (("symbol", watch.symbol), ("timeframe", watch.timeframe)):
        if name and name not in texts:
            near = did_you_mean(name, texts) or "."
            must = f"must name a text parameter of the class as its {kind}"
            yield f"{must}, was {name!r}{near} Declare one, with its name here."


def _longest(part: type[Part], defaults: Mapping[str, Any]) -> dict[str, int]:
    """Return name → largest value of each parameter that a window of the state is made for.

    Raises ConfigError where it is no parameter, or has no largest value.
    """
    found, wrong = {}, []
    annotated = typing.get_type_hints(part, include_extras=True)
    for field, default in defaults.items():
        for name in default.lengths if isinstance(default, Window) else ():
            if isinstance(name, int):
                continue
            most = _most(annotated.get(name)) if name in part.parameters() else None
            if most is None:
                wrong.append(
                    f"{where(part)}: {part.__qualname__}.State.{field}: window({name!r}) must name"
                    " a parameter that has a largest value, did not. Declare it as"
                    f" {name}: Annotated[int, Field(ge=1, le=200)]."
                )
            else:
                found[name] = most
    if wrong:
        raise ConfigError(*wrong)
    return found


def _most(annotation: Any) -> int | None:
    """Return the largest value that an `Annotated[int, Field(le=…)]` allows, or None."""
    for note in getattr(annotation, "__metadata__", ()):
        for bound in (note, *getattr(note, "metadata", ())):
            if hasattr(bound, "le"):
                return int(bound.le)
    return None


def _rooms(
    part: type[Part], fields: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a state, records of open length with the room that `window` gives."""
    made, wrong = dict(fields), []
    for name, field in fields.items():
        given, shown = defaults.get(name), getattr(field, "__name__", field)
        if isinstance(given, Window) and _is_open(field):
            lengths = (part.longest[n] if isinstance(n, str) else n for n in given.lengths)
            made[name] = closed(field, max(lengths))
        elif isinstance(given, Window):
            wrong.append(f"{name}: {shown} must have no window, had one. Remove it.")
        elif _is_open(field):
            wrong.append(
                f"{name}: {shown} must have a window, had none. Write"
                f' {name}: {shown} = window("length"), the parameter that it is called with.'
            )
    if wrong:
        raise ConfigError(*(f"{where(part)}: {part.__qualname__}.State.{text}" for text in wrong))
    return made


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
    (why; texts in `tags`). `out` holds the present wishes: not writing means no change. A field of
    the state that is declared with `records.watch` holds the last closed bar of another series.

    `kind` is what it lives on, a "trend" or a "range": the share of its trades that must win.
    """

    entry = "step"
    arguments = ("bar", "out")
    on: ClassVar[str] = "bar"
    kind: ClassVar[Literal["trend", "range"]] = "trend"  # which win rate it is measured by
    tags: ClassVar[Mapping[int, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.kind not in KINDS:
            raise ConfigError(
                f"{where(cls)}: {cls.__qualname__}.kind: must be {' or '.join(KINDS)}, was"
                f" {cls.kind}. Say which of them it lives on."
            )


class Rule(Part):
    """One limit on openings: parameters, `class State`, and `check(p, s, view, intent) -> bool`.

    `check` answers whether the intent must be denied, and leaves what it measured and the limit in
    `intent.measured` and `intent.limit`. Every rule is asked, in the order of the configuration, so
    that a denial names every reason. Orders that reduce a position are never asked about.
    """

    entry = "check"
    arguments = ("view", "intent")
    reason: ClassVar[str]
