"""Strategies and rules that are fine until they meet a certain bar."""

import math

from engine.core.compile.declare import Rule, Strategy, window
from engine.core.compile.record import floats
from engine.core.indicators import Highest, highest
from engine.core.levels import Levels


class Raises(Strategy):
    left: int = 3

    class State:
        left: int

    def step(p, s, bar, out):
        s.left += 1
        out.target = 0.5 / (p.left - s.left)


class OutOfBounds(Strategy):
    class State:
        window: object = floats(4)
        guard: float = 7.0
        count: int

    def step(p, s, bar, out):
        s.window[s.count] = bar.close
        s.count += 1


class TooLong(Strategy):
    class State:
        highs: Highest = window(4)

    def step(p, s, bar, out):
        highest(s.highs, bar.high, 8)


class NotANumber(Strategy):
    def step(p, s, bar, out):
        out.target = math.nan


class TooMuch(Strategy):
    def step(p, s, bar, out):
        out.target = 1.5


class LevelTooMuch(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        s.levels.price[1] = 99.0
        s.levels.enter[1] = 2.0


class LevelNegative(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        s.levels.leave[0] = -1.0


class LevelBoth(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        s.levels.price[0] = 99.0
        s.levels.enter[0] = s.levels.leave[0] = 1.0


class LevelNowhere(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        s.levels.price[0] = math.nan
        s.levels.enter[0] = 1.0


class LevelHalfStop(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        s.levels.price[0] = 99.0
        s.levels.enter[0] = 1.0
        s.levels.is_stop[0] = 0.5


class InPython(Strategy):
    compiled = False

    def step(p, s, bar, out):
        out.target = {"a": 1.0}["b"]


class Wishes(Strategy):
    def step(p, s, bar, out):
        out.target = 1.0


class RaisingRule(Rule):
    reason = "never"

    def check(p, s, view, intent):
        return view.equity / (intent.quantity - 1.0) > 0.0
