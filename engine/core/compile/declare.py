"""What users subclass: `Strategy` and `Rule`; their parameters and `State` become records."""

import typing
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Any, ClassVar, Literal

import numpy as np

from engine.core.compile.record import (
    WORDS,
    Array,
    Record,
    closed,
    hints,
    is_open,
    names,
    numbers,
    where,
)
from engine.errors import ConfigError, did_you_mean

KINDS = ("trend", "range")  # what a strategy can live on


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
        numbers = {n: t for n, t in cls.parameters().items() if t in WORDS}
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
        if isinstance(given, Window) and is_open(field):
            lengths = (part.longest[n] if isinstance(n, str) else n for n in given.lengths)
            made[name] = closed(field, max(lengths))
        elif isinstance(given, Window):
            wrong.append(f"{name}: {shown} must have no window, had one. Remove it.")
        elif is_open(field):
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

    `shows` (on the scale of the price) and `shows_below` (on one of their own) name the fields of
    the state that a report draws, with their labels; `{length}` in a label is that parameter.
    """

    entry = "step"
    arguments = ("bar", "out")
    on: ClassVar[str] = "bar"
    kind: ClassVar[Literal["trend", "range"]] = "trend"  # which win rate it is measured by
    tags: ClassVar[Mapping[int, str]] = {}
    shows: ClassVar[Mapping[str, str]] = {}
    shows_below: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        wrong = [*_unshown(cls)]
        if cls.kind not in KINDS:
            wrong.append(
                f"{where(cls)}: {cls.__qualname__}.kind: must be {' or '.join(KINDS)}, was"
                f" {cls.kind}. Say which of them it lives on."
            )
        if wrong:
            raise ConfigError(*wrong)


def _unshown(strategy: type[Strategy]) -> Iterator[str]:
    """Yield a sentence for each line of a chart that names what is not there."""
    single = [path for path, *_ in numbers(strategy.StateRecord)]
    parameters = strategy.parameters()
    for key in ("shows", "shows_below"):
        begin = f"{where(strategy)}: {strategy.__name__}.{key}: must name"
        for field, label in getattr(strategy, key).items():
            if field not in single:
                near = did_you_mean(field, single) or "."
                known = f"fields of State that are one number ({', '.join(single)})"
                yield f"{begin} {known}, was {field!r}{near} Correct it."
            for _, name, *_ in Formatter().parse(label):
                if name is not None and name not in parameters:
                    near = did_you_mean(name, parameters) or "."
                    yield f"{begin} parameters in braces, was {label!r}{near} Correct it."


class Rule(Part):
    """One limit on openings: parameters, `class State`, and `check(p, s, view, intent) -> bool`.

    `check` answers whether the intent must be denied, and leaves what it measured and the limit in
    `intent.measured` and `intent.limit`. Every rule is asked, in the order of the configuration, so
    that a denial names every reason. Orders that reduce a position are never asked about.
    """

    entry = "check"
    arguments = ("view", "intent")
    reason: ClassVar[str]
