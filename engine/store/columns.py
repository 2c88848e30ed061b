"""What columns are made of: exact numbers, times, keys, and what may be done to a row."""

from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import (
    REAL,
    BigInteger,
    ColumnElement,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    Numeric,
    Text,
    cast,
)
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Exact(TypeDecorator[Decimal]):
    """A decimal number as it was written: text where the database would make a float of it."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a column."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return what is stored."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Decimal | None:
        """Return what was stored."""
        return None if value is None else Decimal(value)


_DOUBLE: TypeEngine[Any] = Double().with_variant(REAL(), "sqlite")
WHOLE = BigInteger().with_variant(Integer, "sqlite")  # there, only INTEGER is the row's own id
Whole = Annotated[int, Field(sa_type=WHOLE)]
Key = Annotated[
    int, Field(sa_type=WHOLE, primary_key=True, sa_column_kwargs={"autoincrement": False})
]
Sought = Annotated[int, Field(sa_type=WHOLE, index=True)]
MaybeWhole = Annotated[int | None, Field(default=None, sa_type=WHOLE)]
NextKey = Annotated[int | None, Field(default=None, sa_type=WHOLE, primary_key=True)]
Number = Annotated[Decimal, Field(sa_type=Exact)]
MaybeNumber = Annotated[Decimal | None, Field(default=None, sa_type=Exact)]
RunId = Annotated[str, Field(foreign_key="run.id")]
ConfigHash = Annotated[str, Field(foreign_key="config.hash")]


def sortable(number: ColumnElement[Any]) -> ColumnElement[float]:
    """Return an exact column as what it can be sorted and compared by, as its index has it."""
    return cast(number, _DOUBLE)


def by(*columns: str) -> tuple[Index, ...]:
    """Return an index for each column of a caused table, in which rows keep their order."""
    return tuple(Index(None, column, "seq", "ordinal") for column in columns)


class EngineTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMES))):
    """Base of the tables that the engine alone writes."""


class PanelTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMES))):
    """Base of the tables that commands are written to."""


# What a second row of the same key means: an error, unless a table says otherwise.
HISTORY: Any = {"info": {"history": True}}  # never changed
CAUSED: Any = HISTORY | {"sqlite_with_rowid": False}  # stored in the order of its key
KEPT: Any = {"info": {"history": True, "again": "keep"}}  # never changed, said twice is said once
PRESENT: Any = {"info": {"again": "replace"}}  # how it is now
