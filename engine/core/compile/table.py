"""Teaches numba the block: `Core` as three bare pointers, and tables as pointers to rows.

numba's own arrays count references on every call, which costs a factor of ten here
(`docs/decisions/002-one-compiled-path.md`). A table is a pointer and a number of rows; `table[k]`
is the row itself. In a checked build (`checked()`) an index outside the table raises.

The parts of numba used here beyond its public extension interface (type models, attribute and
operator lowering) are why its version is pinned.
"""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.extending import intrinsic, lower_builtin, register_model
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.np.numpy_support import from_dtype

from engine.core.block import LOGS, PLACES, TABLES
from engine.core.compile.record import WORD, Record
from engine.core.records import Bar

_I64 = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()

_checks = [False]


@contextmanager
def checked() -> Iterator[None]:
    """Compile, inside this context, code that refuses a row outside its table (for tests)."""
    _checks[0] = True
    try:
        yield
    finally:
        _checks[0] = False


def is_checked() -> bool:
    """Return whether code compiled now refuses a row outside its table."""
    return _checks[0]


def record_type(record: type[Record]) -> types.Record:
    """Return numba's type of a record."""
    return from_dtype(record.dtype)


class TableType(types.Type):
    """Rows of one record, or of one number, by pointer."""

    def __init__(self, row: types.Type) -> None:
        self.row = row
        super().__init__(name=f"Table({row})")


@register_model(TableType)
class _TableModel(models.StructModel):
    def __init__(self, manager: Any, kind: TableType) -> None:
        super().__init__(manager, kind, [("data", types.voidptr), ("rows", types.int64)])


class CoreType(types.Type):
    """The block, the addresses of the users' functions, and the log."""

    def __init__(self) -> None:
        super().__init__(name="Core")


core_type = CoreType()


@register_model(CoreType)
class _CoreModel(models.StructModel):
    def __init__(self, manager: Any, kind: CoreType) -> None:
        members = [(name, types.voidptr) for name in ("block", "addresses", "log")]
        super().__init__(manager, kind, members)


def word_at(builder: Any, base: Any, index: Any) -> Any:
    """Return the address of word `index` behind `base`."""
    return builder.gep(builder.bitcast(base, _I64.as_pointer()), [index])


def _header_word(builder: Any, base: Any, index: int) -> Any:
    """Load a word of a header; headers never change, which lets the compiler load it once."""
    word = builder.load(word_at(builder, base, _I64(index)))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


def member(context: Any, builder: Any, value: Any, name: str) -> Any:
    """Return one of the pointers of a `Core`."""
    return getattr(cgutils.create_struct_proxy(core_type)(context, builder, value=value), name)


# ── core.books, core.account ──────────────────────────────────────────────────────────────────


@infer_getattr
class _CoreAttributes(AttributeTemplate):
    key = CoreType

    def generic_resolve(self, kind: CoreType, name: str) -> types.Type | None:
        if name not in TABLES:
            return None
        record, single = TABLES[name]
        return record_type(record) if single else TableType(record_type(record))


@lower_getattr_generic(CoreType)
def lower_core_attribute(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    """Return a table of a `Core`, or the record where it has one row."""
    base = member(context, builder, value, "log" if name in LOGS else "block")
    record, single = TABLES[name]
    offset, rows = (_header_word(builder, base, PLACES[name] + i) for i in range(2))
    first = builder.bitcast(word_at(builder, base, offset), _BYTES)
    if single:
        return builder.bitcast(first, context.get_value_type(record_type(record)))
    table = cgutils.create_struct_proxy(TableType(record_type(record)))(context, builder)
    table.data, table.rows = first, rows
    return table._getvalue()


# ── table[k], len(table), numbers[k] = x ──────────────────────────────────────────────────────


@infer_global(operator.getitem)
class _TypeGetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], TableType) and isinstance(args[1], types.Integer):
            return signature(args[0].row, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _TypeSetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 3 and isinstance(args[0], TableType):
            return signature(types.none, args[0], types.int64, args[0].row)
        return None


@infer_global(len)
class _TypeLen(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], TableType):
            return signature(types.int64, args[0])
        return None


def row_address(context: Any, builder: Any, kind: TableType, value: Any, index: Any) -> Any:
    """Return the address of row `index`; in a checked build, raise where there is none."""
    table = cgutils.create_struct_proxy(kind)(context, builder, value=value)
    if is_checked():
        outside = builder.icmp_unsigned(">=", index, table.rows)
        with builder.if_then(outside, likely=False):
            context.call_conv.return_user_exc(builder, IndexError, (f"{kind}: no such row",))
    words = kind.row.size // WORD if isinstance(kind.row, types.Record) else 1
    return word_at(builder, table.data, builder.mul(index, _I64(words)))


@lower_builtin(operator.getitem, TableType, types.Integer)
def _lower_getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind = sig.args[0]
    address = row_address(context, builder, kind, *args)
    if isinstance(kind.row, types.Record):
        return builder.bitcast(address, context.get_value_type(kind.row))
    return builder.load(builder.bitcast(address, context.get_value_type(kind.row).as_pointer()))


@lower_builtin(operator.setitem, TableType, types.Integer, types.Any)
def _lower_setitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind = sig.args[0]
    address = row_address(context, builder, kind, args[0], args[1])
    number = context.get_value_type(kind.row)
    builder.store(args[2], builder.bitcast(address, number.as_pointer()))
    return context.get_dummy_value()


@lower_builtin(len, TableType)
def _lower_len(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0]).rows


# ── from arrays to pointers, and to what stands behind the tables ─────────────────────────────


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return builder.bitcast(context.make_array(kind)(context, builder, array).data, _BYTES)


@intrinsic
def attach(typing: Any, block: Any, addresses: Any, log: Any) -> Any:
    """Return the `Core` of three arrays of words."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        core = cgutils.create_struct_proxy(core_type)(context, builder)
        core.block, core.addresses, core.log = (
            _data(context, builder, kind, array) for kind, array in zip(sig.args, args, strict=True)
        )
        return core._getvalue()

    return core_type(block, addresses, log), build


@intrinsic
def rows(typing: Any, array: Any) -> Any:
    """Return an array of records or numbers as a table."""
    kind = TableType(array.dtype)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table = cgutils.create_struct_proxy(kind)(context, builder)
        table.data = _data(context, builder, sig.args[0], args[0])
        made = context.make_array(sig.args[0])(context, builder, args[0])
        table.rows = cgutils.unpack_tuple(builder, made.shape)[0]
        return table._getvalue()

    return kind(array), build


@intrinsic
def bar_address(typing: Any, core: Any, place: Any) -> Any:
    """The compiled form of `block.bar_at`: the record at a word offset in the block."""
    bar = record_type(Bar)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base = member(context, builder, args[0], "block")
        return builder.bitcast(word_at(builder, base, args[1]), context.get_value_type(bar))

    return bar(core, types.int64), build


@intrinsic
def load_number(typing: Any, core: Any, place: Any) -> Any:
    """The compiled form of `block.number_at`: the float at a word offset in the block."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_number_at(context, builder, *args))

    return types.float64(core, types.int64), build


@intrinsic
def store_number(typing: Any, core: Any, place: Any, number: Any) -> Any:
    """The compiled form of `block.put`: write a float at a word offset in the block."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _number_at(context, builder, *args[:2]))
        return context.get_dummy_value()

    return types.none(core, types.int64, types.float64), build


def _number_at(context: Any, builder: Any, core: Any, place: Any) -> Any:
    base = member(context, builder, core, "block")
    return builder.bitcast(word_at(builder, base, place), ir.DoubleType().as_pointer())
