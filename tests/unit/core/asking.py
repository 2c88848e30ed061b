"""A strategy that asks for what a story says at its levels, and the stories to tell it."""

from typing import Any

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.compile.declare import Strategy, window
from engine.core.compile.record import floats
from engine.core.levels import Levels
from engine.core.portfolio import Instance, Portfolio
from engine.core.records import Bar, Kind, Out, Sizing, Status
from engine.research.backtest import replay
from engine.research.result import Replay
from tests.market import MINUTE, bar_events, command, happened, numbered, portfolio

ROWS = 64  # bars
COUNT = 4  # levels


class Asking(Strategy):
    """At the close of bar `n`, writes what row `n` of its state says; keeps what it saw before."""

    class State:
        levels: Levels = window(COUNT)
        count: int
        says: Any = floats(ROWS * COUNT)  # 1.0: something is written
        price: Any = floats(ROWS * COUNT)
        enter: Any = floats(ROWS * COUNT)
        leave: Any = floats(ROWS * COUNT)
        is_stop: Any = floats(ROWS * COUNT)
        status: Any = floats(ROWS * COUNT)
        filled: Any = floats(ROWS * COUNT)
        position: Any = floats(ROWS)
        entry: Any = floats(ROWS)
        target: Any = floats(ROWS)
        stop: Any = floats(ROWS)

    def step(p, s: State, bar: Bar, out: Out) -> None:
        s.position[s.count] = s.levels.position
        s.entry[s.count] = s.levels.entry
        for i in range(COUNT):
            row = s.count * COUNT + i
            s.status[row] = s.levels.status[i]
            s.filled[row] = s.levels.filled[i]
            if s.says[row] != 0.0:
                s.levels.price[i] = s.price[row]
                s.levels.enter[i] = s.enter[row]
                s.levels.leave[i] = s.leave[row]
                s.levels.is_stop[i] = s.is_stop[row]
        out.target = s.target[s.count]
        out.stop = s.stop[s.count]
        s.count += 1


def asking(**given: Any) -> Portfolio:
    """Return a portfolio with an asking instance that orders 1 unit at exposure 1."""
    own = {name: given.pop(name) for name in list(given) if name in Instance.__annotations__}
    instance: dict[str, Any] = {"span": MINUTE, "sizing": Sizing.FIXED, "quantity": 1.0}
    return portfolio(Instance("asking", Asking(), ("X/USD",), **(instance | own)), **given)


def ask(machine: type, text: str, plan: Portfolio, volume: float = 0.0) -> Replay:
    """Play a story of levels and compare what it says with what happens.

    Columns: open high low close, then what is asked for after the bar, then what happens in it, in
    the words of `tests.market.play`. `0+.5@99` asks level 0 to enter half a unit at 99, `0-.5@99`
    to enter short, `0>.5@99` to leave half a unit there; with `!` behind it is a stop; `0x` asks
    for nothing, `=1` for a target, `pause` is a person's word; `.` is no change. Each bar has the
    same `volume`.
    """
    lines = [line.split("#")[0].split() for line in text.strip().splitlines()]
    bars = bar_events([[*map(float, line[:4]), volume] for line in lines])
    made = machine(layout(plan))
    at, record = int(table_of(made.block, "books")["state"][0]), Asking.StateRecord
    state = made.block[at : at + record.words].view(record.dtype)[0]
    words, wish = [], 0.0
    for n, line in enumerate(lines):
        for word in line[4].split(",") if line[4] != "." else ():
            if word.upper() in Kind.__members__:
                words.append(command(Kind[word.upper()], (n + 1) * MINUTE))
            elif word[0] == "=":
                wish = float(word[1:])
            else:
                _say(state, n, word)
        state["target"][n] = wish
    done = replay(made, numbered(bars, *words))
    told = [
        " ".join([*line[:5], cell])
        for line, cell in zip(lines, happened(done, len(lines)), strict=True)
    ]
    assert told == [" ".join(line) for line in lines]
    return done


def _say(state: Any, n: int, word: str) -> None:
    row = n * COUNT + int(word[0])
    state["says"][row] = 1.0
    if word[1] == "x":
        return
    size, price = word[2:].rstrip("!").split("@")
    name = "leave" if word[1] == ">" else "enter"
    state[name][row] = -float(size) if word[1] == "-" else float(size)
    state["price"][row] = float(price)
    state["is_stop"][row] = float(word.endswith("!"))


def state_of(done: Replay) -> Any:
    """Return the state of the strategy after a story."""
    at, record = int(table_of(done.machine.block, "books")["state"][0]), Asking.StateRecord
    return done.machine.block[at : at + record.words].view(record.dtype)[0]


def seen(done: Replay, i: int = 0) -> list[tuple[str, float, float]]:
    """Return, for each bar, what the strategy saw of level `i` and of its position at its close."""
    state = state_of(done)
    rows = range(i, int(state["count"]) * COUNT, COUNT)
    return [
        (
            Status(int(state["status"][row])).name.lower() if state["status"][row] else "none",
            float(state["filled"][row]),
            float(state["position"][row // COUNT]),
        )
        for row in rows
    ]
