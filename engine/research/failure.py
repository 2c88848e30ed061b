"""Says what went wrong in a user's function: which line, on which event, with which values.

The compiled core only knows that a function failed. The run is repeated up to that event, and that
one event is then interpreted on the same bytes.
"""

import linecache
import math
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from engine.clock import utc
from engine.core import assemble
from engine.core.ask import is_sound
from engine.core.assemble import Layout
from engine.core.block import table_of
from engine.core.compile.record import place, where
from engine.core.machine import Compiled, Interpreted, Machine, Rows, drain
from engine.core.records import Failure
from engine.errors import ChanQuantError, StrategyFailed

_CORE = Path(assemble.__file__).parent
_ASKED = ("price", "enter", "leave", "is_stop")  # of `Levels`


def explain(machine: Machine, events: Rows, failed: int) -> ChanQuantError:
    """Return the error for the event on which `machine` has stopped."""
    account = table_of(machine.block, "account")[0]
    plan, rule = machine.plan, int(account["failed_rule"])
    instance, symbol = plan.book(int(account["failed_book"]))
    part = plan.portfolio.rules[rule][1] if rule >= 0 else instance.strategy
    about = f"instance {instance.name} on {symbol} at {utc(int(events['ts'][failed]))}"
    code = Failure(int(account["failure"]))
    function = f"{type(part).__name__}.{part.entry}"
    if code == Failure.RAISED:
        line, cause = _raised(plan, events, failed, part)
        return StrategyFailed(
            f"{line}: {function} failed, {about}: {cause}. Correct the line; nothing after this"
            " event was computed."
        )
    k = int(account["failed_book"])
    if code == Failure.LEVEL:
        written, wrong = _level(machine, k)
    else:
        out = table_of(machine.block, "books")["out"][k]
        wish = ", ".join(f"{name} {out[name]:g}" for name in ("target", "stop", "take"))
        written = "out"
        wrong = f"target must be from -1 to 1, stop and take not negative, was {wish}"
    return StrategyFailed(
        f"{where(type(part).function())}: {function}: {wrong}, {about}."
        f" Correct what it writes to {written}; nothing after this event was computed."
    )


def _level(machine: Machine, k: int) -> tuple[str, str]:
    """Return the name of the levels of a book, and what is wrong at the first that is not sound."""
    name, count = machine.plan.levels(k)
    record = type(machine.plan.parts[machine.plan.books[k].instance]).StateRecord
    at = int(table_of(machine.block, "books")["state"][k])
    levels = machine.block[at : at + record.words].view(record.dtype)[0][name]
    rows = [tuple(float(levels[what][i]) for what in _ASKED) for i in range(count)]
    i = next(i for i, row in enumerate(rows) if not is_sound(*row))
    price, enter, leave, is_stop = rows[i]
    if not abs(enter) <= 1.0:
        return name, f"{name}.enter[{i}] must be from -1 to 1, was {enter:g}"
    if not leave >= 0.0:
        return name, f"{name}.leave[{i}] must not be negative, was {leave:g}"
    if enter != 0.0 and leave != 0.0:
        both = f"was enter {enter:g} and leave {leave:g}"
        return name, f"{name}[{i}] must either enter or leave, {both}"
    if not 0.0 < price < math.inf:
        return name, f"{name}.price[{i}] must be above 0 where an order is to rest, was {price:g}"
    return name, f"{name}.is_stop[{i}] must be 0 or, of an entry, 1, was {is_stop:g}"


def _raised(plan: Layout, events: Rows, failed: int, part: Any) -> tuple[str, str]:
    """Return where a user's function raised, and what."""
    error = part.raised or _again(plan, events, failed)
    if error is None:
        return where(type(part).function()), "it does not fail when it is interpreted"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_CORE)]
    frame = (own or frames)[-1]  # the user's line, not that of an indicator it calls
    code = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return place(frame.filename, frame.lineno), f"{type(error).__name__}: {error}, in `{code}`"


def _again(plan: Layout, events: Rows, failed: int) -> Exception | None:
    """Repeat the run up to the event, interpret that one, and return what it raises."""
    equity = np.empty(failed + 1)
    machine = Compiled(plan)
    done = 0
    while done < failed:
        done = machine.advance(events, done, failed, equity)
        drain(machine)
    try:
        Interpreted(plan, machine.block).advance(events, failed, failed + 1, equity)
    except Exception as error:  # noqa: BLE001 - whatever a user's code raises
        return error
    return None
