"""Levels: prices at which a strategy wants orders to rest. (`docs/guide/levels.md`)"""

from typing import Any

from engine.core.compile.record import Record, floats, hints
from engine.core.records import Order


class Levels(Record):
    """What strategy and core tell each other about levels, a field of the strategy's state.

    Declared as `levels: Levels = window("count")`. The strategy writes `price`, `enter`, `leave`
    and `is_stop`; what is written rests until something else is. `enter` is an exposure, sized
    like a target and asked of the rules; `leave` is a quantity, which can only reduce the position.
    Where an order has come to its end, what was written is 0.0 again, but the price, and
    `status` says how.
    """

    position: float  # of the book in base units; written by the core, as are …
    entry: float  # … its average price …
    price: list[float] = floats()
    enter: list[float] = floats()  # exposure to gain there, below 0.0 to sell short; 0.0: none
    leave: list[float] = floats()  # base units of the position to leave there; 0.0: none
    is_stop: list[float] = floats()  # 1.0: enters once the price has come through it
    status: list[float] = floats()  # … of each level, Status of its last order, 0.0 for none …
    filled: list[float] = floats()  # … and how much of it was filled, signed, base units


class Level(Record):
    """What was last asked for at a level, and the order that rests there."""

    price: float
    enter: float
    leave: float
    is_stop: float
    status: float  # Status of its last order, and how much of it was filled
    filled: float
    order: Order  # id 0: none


def levels_of(strategy: Any) -> dict[str, tuple[int | str, ...]]:
    """Return the fields of a strategy's state that are `Levels`, and what `window` was told."""
    state = getattr(strategy, "State", None)
    found = [name for name, kind in hints(state).items() if kind is Levels] if state else []
    return {name: state.__dict__[name].lengths for name in found}
