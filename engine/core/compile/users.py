"""Teaches numba to call users' functions through their addresses, and what these are handed.

A rule's check is called with its parameters, its state and two records. A strategy's function holds
the loop over the events that its step is shown (`build._walk`): one event, or as many as are quiet.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from engine.core.block import word_of
from engine.core.compile.record import WORD
from engine.core.compile.table import (
    TableType,
    core_type,
    lower_core_attribute,
    member,
    record_type,
    row_address,
    word_at,
)
from engine.core.records import Book, Event

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_INTEGER = types.int64
_BAR = word_of(Event, "bar") * WORD  # where it stands in an event, in bytes
_LINE = 64  # bytes that a processor fetches at once
_SMALL = 64  # words of a record that is worth a copy


# ── in the driver ─────────────────────────────────────────────────────────────────────────────


@intrinsic
def call_address(
    typing: Any, core: Any, function: Any, params: Any, state: Any, given: Any, taken: Any
) -> Any:
    """The compiled form of `block.call`: through the address in `core.addresses`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        core, function, params, state, given, taken = args
        return _call(context, builder, core, function, (params, state), [given, taken])

    return _INTEGER(core, _INTEGER, _INTEGER, _INTEGER, given, taken), build


@intrinsic
def show_address(typing: Any, core: Any, k: Any, bar: Any) -> Any:
    """The compiled form of `block.show`: a walk over one bar."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        core, k, bar = args
        first = builder.gep(builder.bitcast(bar, _BYTES), [_I64(-_BAR)])
        return _walk(context, builder, core, k, first, _I64(1))

    return _INTEGER(core, _INTEGER, bar), build


@intrinsic
def walk_address(typing: Any, core: Any, k: Any, events: Any, first: Any, last: Any) -> Any:
    """The compiled form of `block.walk`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        core, k, events, first, last = args
        event = row_address(context, builder, sig.args[2], events, first)
        return _walk(context, builder, core, k, event, builder.sub(last, first))

    return _INTEGER(core, _INTEGER, events, _INTEGER, _INTEGER), build


def _walk(context: Any, builder: Any, core: Any, k: Any, event: Any, count: Any) -> Any:
    """Call the function of book `k`: see `build._walk`."""
    table = TableType(record_type(Book))
    books = lower_core_attribute(context, builder, core_type, core, "books")
    book = builder.bitcast(row_address(context, builder, table, books, k), _I64.as_pointer())
    step, params, state = (
        builder.load(builder.gep(book, [_I64(word_of(Book, name))]))
        for name in ("step", "params", "state")
    )
    return _call(context, builder, core, step, (params, state), [event, count, book])


def _call(
    context: Any, builder: Any, core: Any, function: Any, places: tuple[Any, Any], given: list[Any]
) -> Any:
    """Call a user's function by its number, with what stands at two places of the block, and more.

    The call follows numba's own convention, int32(answer*, error**, arguments…), which saves the
    second call that a C function's wrapper would make. Users' functions answer below 0 for an error
    and never set `error`.
    """
    base, addresses = (member(context, builder, core, name) for name in ("block", "addresses"))
    address = builder.load(word_at(builder, addresses, function))
    rows = [builder.bitcast(word_at(builder, base, at), _BYTES) for at in places]
    rows += [one if one.type == _I64 else builder.bitcast(one, _BYTES) for one in given]
    answer, error = cgutils.alloca_once(builder, _I64), cgutils.alloca_once(builder, _BYTES)
    builder.store(_BYTES(None), error)
    kinds = [answer.type, error.type, *(row.type for row in rows)]
    shape = ir.FunctionType(ir.IntType(32), kinds)
    builder.call(builder.inttoptr(address, shape.as_pointer()), [answer, error, *rows])
    return builder.load(answer)


# ── in a user's function ──────────────────────────────────────────────────────────────────────


@intrinsic
def record_at(typing: Any, address: Any, dtype: Any) -> Any:
    """Return the record at an address."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(dtype.dtype))

    return dtype.dtype(types.voidptr, dtype), build


@intrinsic
def copy_of(typing: Any, record: Any) -> Any:
    """Return a copy of a record, which lives as long as the function that asks.

    Nobody else can write to it, so that the compiler keeps its fields in registers. A large record
    is none to be kept there: it is returned as it stands.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not _is_small(record):
            return args[0]
        words = _I64(record.size // WORD)
        own = cgutils.alloca_once(builder, _I64, size=words)
        cgutils.raw_memcpy(builder, own, builder.bitcast(args[0], own.type), words, WORD)
        return builder.bitcast(own, args[0].type)

    return record(record), build


@intrinsic
def write_back(typing: Any, copy: Any, record: Any) -> Any:
    """Copy what `copy_of` has returned to where it came from."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _is_small(record):
            source, target = (builder.bitcast(one, _I64.as_pointer()) for one in args)
            cgutils.raw_memcpy(builder, target, source, _I64(record.size // WORD), WORD)
        return context.get_dummy_value()

    return types.none(copy, record), build


def _is_small(record: types.Record) -> bool:
    return bool(record.size <= _SMALL * WORD)


@intrinsic
def event_behind(typing: Any, events: Any, n: Any) -> Any:
    """Return the n-th event behind the one at an address."""
    event = record_type(Event)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = word_at(builder, args[0], builder.mul(args[1], _I64(Event.words)))
        return builder.bitcast(address, context.get_value_type(event))

    return event(types.voidptr, types.int64), build


@intrinsic
def prefetch(typing: Any, events: Any, n: Any) -> Any:
    """Have what `event_behind` would return brought near; nothing happens where there is none."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = word_at(builder, args[0], builder.mul(args[1], _I64(Event.words)))
        flag = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [_BYTES, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")
        for word in range(0, Event.words, _LINE // WORD):
            address = builder.bitcast(word_at(builder, first, _I64(word)), _BYTES)
            builder.call(fetch, [address, flag(0), flag(2), flag(1)])
        return context.get_dummy_value()

    return types.none(types.voidptr, types.int64), build


def signature_of(*handed: Any) -> Any:
    """Return the signature of a user's function: int64(params, state, …).

    What else it is handed is a record, or numba's own type of it.
    """
    kinds = (record_type(one) if isinstance(one, type) else one for one in handed)
    return types.int64(types.voidptr, types.voidptr, *kinds)
