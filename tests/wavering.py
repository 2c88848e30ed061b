"""Strategies that change their minds at some bars, by no rule, and may fail at one of them."""

from engine.core.compile.declare import Strategy
from engine.core.records import Bar, Out


class Wavering(Strategy):
    """Asks for another target, stop or take at about every fourth bar; raises at bar `fails_at`."""

    seed: int = 1
    is_long_only: bool = False
    fails_at: int = 0

    class State:
        drawn: int
        calls: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        if s.calls == 0:
            s.drawn = p.seed
        s.calls += 1
        s.drawn = (s.drawn * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        dice = (s.drawn >> 8) % 16
        if dice == 0:
            out.target = 1.0
        elif dice == 1:
            out.target = 0.5 if p.is_long_only else -0.5
        elif dice == 2:
            out.target = 0.0
        elif dice == 3:
            out.stop = bar.close * 0.97 if out.target > 0.0 else bar.close * 1.03
        elif dice == 4:
            out.take = bar.close * 1.05 if out.target > 0.0 else bar.close * 0.95
        elif dice == 5:
            out.stop = 0.0
            out.take = 0.0
        if s.calls == p.fails_at:
            out.target = 1.0 / (s.calls - p.fails_at)


class WaveringInPython(Wavering):
    """The same as ordinary Python."""

    compiled = False
