"""Compiles the driver once per installation, and each user's function on its own.

Every function has one fixed signature, and the driver calls it through its address. Editing a
strategy therefore recompiles that strategy and nothing else.
"""

import ctypes
import enum
import functools
import types
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np
from numba.core import types as nb
from numba.core.dispatcher import Dispatcher

from engine.core import advance as advance_module
from engine.core.block import (
    TABLES,
    Words,
    bar_at,
    call,
    is_news,
    is_quiet,
    number_at,
    put,
    show,
    walk,
)
from engine.core.compile import cache, check, table, users
from engine.core.compile.declare import Part, Strategy
from engine.core.compile.record import Record, where
from engine.core.compile.table import attach, bar_address, load_number, rows, store_number
from engine.core.compile.users import (
    call_address,
    copy_of,
    event_behind,
    prefetch,
    record_at,
    show_address,
    walk_address,
    write_back,
)
from engine.core.records import Bar, Book, Event, Intent, Out, View
from engine.errors import ConfigError

_OPTIONS = {"nogil": True, "error_model": "python"}
_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_INNER = _OPTIONS | _BARE | {"_nrt": False}
_INLINED = (  # what runs on every event, and what one function alone calls
    *("fill_and_protect", "concerns", "on_prices", "mark", "extend", "show", "step"),
    *("is_idle", "walk_on", "mark_bars", "is_quiet", "is_news"),
    *("meet", "post", "add_up", "decide", "_look", "_against", "_watch"),
)
_BY_POINTER: dict[Any, Any] = {
    call: call_address,
    show: show_address,
    walk: walk_address,
    bar_at: bar_address,
    number_at: load_number,
    put: store_number,
}
_LAYOUT = repr([(name, record.dtype.descr) for name, (record, _) in TABLES.items()])
_EXTENSION = "".join(Path(file).read_text() for file in (table.__file__, users.__file__, __file__))

_READ_ON_THE_WAY = "".join(map(cache.fingerprint, (is_quiet, is_news)))

# numba's calling convention, see users._call: answer, error, params, state, …
_ADDRESS, _ANSWER = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64)
Walked = ctypes.CFUNCTYPE(
    ctypes.c_int32, _ANSWER, *[_ADDRESS] * 3, _ADDRESS, ctypes.c_int64, _ADDRESS
)
Checked = ctypes.CFUNCTYPE(ctypes.c_int32, _ANSWER, *[_ADDRESS] * 3, _ADDRESS, _ADDRESS)
advance = advance_module.advance
interrupts: list[BaseException] = []  # raised amid compiled code, to be raised behind it
_kept: dict[str, Any] = {}


def arguments(part: type[Part]) -> tuple[type[Record], type[Record]]:
    """Return the records that a class's function is handed after its parameters and state."""
    return (Bar, Out) if issubclass(part, Strategy) else (View, Intent)


def clone(function: Any, options: dict[str, Any]) -> Dispatcher:
    """Return a compiled copy of a function in which the plain functions it calls are compiled too.

    Raises ConfigError where a function calls itself, however indirectly.
    """
    return _clone(function, options, {}, ())


def _clone(
    function: Any, options: dict[str, Any], made: dict[Any, Dispatcher], path: tuple[Any, ...]
) -> Dispatcher:
    if function in path:
        raise ConfigError(
            f"{where(function)}: {function.__name__} calls itself. Write it as a loop."
        )
    if function in made:
        return made[function]
    scope = dict(function.__globals__)
    for name in set(cache.globals_of(function.__code__)):
        value = scope.get(name)
        if isinstance(value, types.FunctionType):
            pointed = _BY_POINTER.get(value)
            scope[name] = pointed or _clone(value, options, made, (*path, function))
        elif isinstance(value, enum.EnumType) and issubclass(value, enum.IntEnum):
            scope[name] = _constants(value)
    copy = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__ = __name__  # numba imports this with cached code; a notebook is no module
    hot = function.__name__ in _INLINED  # said to each: numba's functions inherit it
    made[function] = numba.njit(**options, forceinline=hot)(copy)
    return made[function]


def _constants(words: type[enum.IntEnum]) -> Any:
    """Return an enumeration as plain numbers, which numba folds into the code."""
    kind: Any = namedtuple("Words", words.__members__)  # type: ignore[misc]
    return kind(*map(int, words))


# ── the driver ────────────────────────────────────────────────────────────────────────────────


def _run(
    block: Words, addresses: Words, log: Words, events: Any, first: int, last: int, equity: Any
) -> int:
    return advance(attach(block, addresses, log), rows(events), first, last, rows(equity))


def driver_key() -> str:
    """Return the cache key of the compiled `advance`."""
    return _driver_key(table.is_checked())


@functools.cache
def _driver_key(is_checked: bool) -> str:
    return cache.fingerprint(_run, _LAYOUT, _EXTENSION, str(is_checked))


def driver() -> Callable[..., int]:
    """Return the compiled `advance`, taking (block, addresses, log, events, first, last, equity).

    `events` has shape (n,) of `Event.dtype`, `equity` shape (n,) of float64.
    """
    key = driver_key()
    if key not in _kept:
        scope = dict(_run.__globals__) | {"advance": clone(advance, _INNER)}
        words = nb.Array(nb.int64, 1, "C")
        events = nb.Array(table.record_type(Event), 1, "C")
        equity = nb.Array(nb.float64, 1, "C")
        entry = numba.njit(
            nb.int64(words, words, words, events, nb.int64, nb.int64, equity),
            **_OPTIONS,
            **_stored(),
        )(_named(_run, f"driver_{key}", scope))
        _kept[key] = entry
        cache.keep(key)
    return cast(Callable[..., int], _kept[key])


def _named(template: Any, name: str, scope: dict[str, Any]) -> types.FunctionType:
    """Return a copy of a function whose name carries its key: numba names cache files by it."""
    entry = types.FunctionType(template.__code__, scope, template.__name__)
    entry.__qualname__ = name
    entry.__module__ = __name__
    return entry


def _stored() -> dict[str, Any]:
    """Return the options that make numba keep compiled code in our folder."""
    cache.must_be_ours()
    numba.config.CACHE_DIR = str(cache.folder() / "code")
    return {"cache": True}


def standalone(function: Any, signature: Any, *extra: str) -> Callable[..., Any]:
    """Return a function of numbers and arrays as machine code that holds no lock.

    `extra` is what its meaning depends on beside its text.
    """
    key = cache.fingerprint(function, str(signature), *extra)
    if key not in _kept:
        copy = clone(function, _OPTIONS | _BARE).py_func
        entry = _named(copy, f"{function.__name__}_{key}", copy.__globals__)
        _kept[key] = numba.njit(signature, **_OPTIONS, **_stored())(entry)
        cache.keep(key)
    return cast(Callable[..., Any], _kept[key])


# ── users' functions ──────────────────────────────────────────────────────────────────────────


AHEAD = 64  # events: what memory takes to bring one near, the steps of so many take as well
user: Any = None  # the compiled function, and the dtypes of its parameters and state: each copy
PARAMS: Any = None  # of the functions below has its own
STATE: Any = None


def _step(p: Any, s: Any, bar: Any, out: Any) -> int:
    try:
        user(p, s, bar, out)
    except Exception:
        return -1
    return 0


def _walk(params: Any, state: Any, events: Any, count: int, book: Any) -> int:
    own_params: Any = record_at(params, PARAMS)
    own_state: Any = record_at(state, STATE)
    p, s = copy_of(own_params), copy_of(own_state)
    shown = answer = 0
    while shown < count:
        event: Any = event_behind(events, shown)
        if shown > 0 and not is_quiet(book, event):
            break
        prefetch(events, shown + AHEAD)
        answer = _step(p, s, copy_of(event.bar), book.out)
        shown += 1
        if answer != 0 or is_news(book):
            break
    write_back(p, own_params)
    write_back(s, own_state)
    return shown if answer == 0 else -shown


def _check(params: Any, state: Any, view: Any, intent: Any) -> int:
    try:
        denied = user(record_at(params, PARAMS), record_at(state, STATE), view, intent)
    except Exception:
        return -1
    return 1 if denied else 0


def key_of(part: type[Part]) -> str:
    """Return the cache key of a class's compiled function."""
    layout = f"{part.entry}{part.Params.dtype.descr}{part.StateRecord.dtype.descr}"
    return cache.fingerprint(part.function(), layout, _LAYOUT, _EXTENSION, _READ_ON_THE_WAY)


def is_compiled(part: type[Part]) -> bool:
    """Return whether a class's function can be used without compiling it."""
    return not part.compiled or cache.is_kept(key_of(part))


def uncompiled(parts: tuple[Part, ...]) -> list[str]:
    """Return the names of what must be compiled before these parts can run."""
    core = [] if cache.is_kept(driver_key()) else ["the core"]
    kinds = dict.fromkeys(type(part) for part in parts)
    return core + [kind.__name__ for kind in kinds if not is_compiled(kind)]


def function_of(part: type[Part]) -> Any:
    """Return the compiled function of a class.

    Raises ConfigError with every mistake that is found in the class.
    """
    key = key_of(part)
    if key not in _kept:
        check.check(part)
        user = clone(part.function(), _OPTIONS | {"boundscheck": True})
        if not cache.is_kept(key):
            check.check_types(part, user, users.signature_of(*arguments(part)))
        scope = dict(globals()) | {
            "user": user,
            "PARAMS": part.Params.dtype,
            "STATE": part.StateRecord.dtype,
        }
        template: Any = _check
        handed: tuple[Any, ...] = arguments(part)
        if issubclass(part, Strategy):
            template, handed = _walk, (nb.voidptr, nb.int64, Book)
            step = types.FunctionType(_step.__code__, scope, _step.__name__)
            scope["_step"] = numba.njit(**_INNER, forceinline=True)(step)
            scope |= {one.__name__: clone(one, _INNER) for one in (is_quiet, is_news)}
        entry = _named(template, f"{part.__name__}_{key}", scope)
        signature = users.signature_of(*handed)
        _kept[key] = numba.njit(signature, **_INNER, **_stored())(entry)
        cache.keep(key)
    return _kept[key]


def callback_of(part: Part) -> Any:
    """Return a C function that calls the ordinary Python function of a `compiled: false` part."""
    if isinstance(part, Strategy):
        return Walked(functools.partial(_walked, part))
    return Checked(functools.partial(_checked, part))


def _walked(
    part: Part, answer: Any, _error: int, _params: int, state: int, events: int, count: int, at: int
) -> int:
    book = Book.from_address(at)
    shown = failed = 0
    while shown < count:
        event = Event.from_address(events + shown * Event.dtype.itemsize)
        if shown > 0 and not is_quiet(book, event):
            break
        failed = _called(part, state, event.bar, book.out)
        shown += 1
        if failed != 0 or is_news(book):
            break
    answer[0] = shown if failed == 0 else -shown
    return 0


def _checked(
    part: Part, answer: Any, _error: int, _params: int, state: int, view: int, intent: int
) -> int:
    answer[0] = _called(part, state, View.from_address(view), Intent.from_address(intent))
    return 0


def _called(part: Part, state: int, given: Record, taken: Record) -> int:
    """Return -1 where a user's Python function raised, 1 where a check denied, else 0.

    What is to end the program must be raised again: no exception passes through compiled code.
    """
    try:
        s = type(part).StateRecord.from_address(state)
        denied = type(part).function()(part, s, given, taken)
    except Exception as raised:
        part.raised = raised
        return -1
    except BaseException as raised:
        interrupts.append(raised)
        return -1
    return 1 if denied and part.entry == "check" else 0


def addresses_of(parts: tuple[Part, ...]) -> tuple[Words, list[Any]]:
    """Return the address of each part's function, and what must be kept alive with them.

    Raises ConfigError with the mistakes of all classes together.
    """
    alive, problems = [], []
    addresses = np.zeros(max(1, len(parts)), np.int64)
    for i, part in enumerate(parts):
        try:
            if type(part).compiled:
                function = function_of(type(part))
                compiled = next(iter(function.overloads.values()))
                name = compiled.fndesc.llvm_func_name
                addresses[i] = compiled.library.get_pointer_to_function(name)
            else:
                function = callback_of(part)
                addresses[i] = ctypes.cast(function, ctypes.c_void_p).value or 0
            alive.append(function)
        except ConfigError as error:
            problems += [p for p in error.problems if p not in problems]
    if problems:
        raise ConfigError(*problems)
    return addresses, alive
