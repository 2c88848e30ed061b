"""Strategies and rules with one mistake each; `test_check.py` holds what is said about them."""

import math

import numpy as np

from engine.core.compile.declare import Rule, Strategy, window
from engine.core.compile.record import floats
from engine.core.indicators import Atr, atr
from engine.core.levels import Levels

DOWN = 3


def power_of(x):
    return x**2


def twice(x):
    return twice(x) * 2.0


class MisspeltField(Strategy):
    class State:
        fast: float

    def step(p, s, bar, out):
        s.fast += bar.clsoe


class MisspeltParameter(Strategy):
    length: int = 3

    def step(p, s, bar, out):
        out.target = p.lenght / 10.0


class MisspeltState(Strategy):
    class State:
        average: float

    def step(p, s, bar, out):
        s.avrage = bar.close


class MisspeltIndicator(Strategy):
    class State:
        atr: Atr

    def step(p, s, bar, out):
        atr(s.atr, bar, 14)
        out.stop = bar.close - s.atr.valeu


class SeveralAtOnce(Strategy):
    def step(p, s, bar, out):
        bar.close = 3.0
        out.target = emaa(bar.close)  # noqa: F821
        out.tag = "why"


class TextForNumber(Strategy):
    def step(p, s, bar, out):
        out.target = "long"


class WrongArguments(Strategy):
    def step(p, s, bar):
        pass


class WritesParameter(Strategy):
    length: int = 3

    def step(p, s, bar, out):
        p.length = 4


class FloatToInt(Strategy):
    class State:
        count: int

    def step(p, s, bar, out):
        s.count += 0.5


class Power(Strategy):
    def step(p, s, bar, out):
        out.target = bar.close**0.5 / bar.close


class PowerInHelper(Strategy):
    def step(p, s, bar, out):
        out.target = power_of(bar.close) / 1e12


class NumpyMean(Strategy):
    class State:
        window: object = floats(4)

    def step(p, s, bar, out):
        out.target = s.window.mean() + np.log(1.0) + math.hypot(0.0, 0.0)


class CallsItself(Strategy):
    def step(p, s, bar, out):
        out.target = twice(0.0)


class NoneOrNumber(Strategy):
    def step(p, s, bar, out):
        x = None
        if bar.close > 10.0:
            x = bar.close
        out.target = x + 1.0


class RuleWritesView(Rule):
    reason = "never"

    def check(p, s, view, intent):
        view.equity = 1e9
        intent.quantity = 0.0
        intent.limit = 1.0
        return False


class TagsWithoutText(Strategy):
    tags = {1: "up"}

    def step(p, s, bar, out):
        out.tag = 1
        out.tag = 2
        out.tag = DOWN


class WritesWhatIsSaidOfLevels(Strategy):
    class State:
        levels: Levels = window(2)

    def step(p, s, bar, out):
        levels = s.levels
        levels.status[0] = 0.0
        s.levels.filled[0] += 1.0
        levels.position = 1.0
        levels.prise[1] = bar.close
        levels.price[1] = bar.close
