"""A strategy that asks for this and that at its levels, without end and without sense."""

from engine.core.compile.declare import Strategy, window
from engine.core.levels import Levels
from engine.core.records import Bar, Out

COUNT = 4


class Quoting(Strategy):
    """Changes one of four levels at each bar, or leaves it: entries, exits and stops, any price."""

    seed: int = 1

    class State:
        levels: Levels = window(COUNT)
        drawn: int
        calls: int

    def step(p, s: State, bar: Bar, out: Out) -> None:
        levels = s.levels
        if s.calls == 0:
            s.drawn = p.seed
        s.calls += 1
        for i in range(COUNT):
            s.drawn = (s.drawn * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            dice = (s.drawn >> 8) % 12
            s.drawn = (s.drawn * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            away = 0.9 + ((s.drawn >> 8) % 200) * 0.001
            if dice < 5:
                levels.price[i] = bar.close * away
                levels.enter[i] = 0.3 if dice < 3 else -0.2
                levels.leave[i] = 0.0
                levels.is_stop[i] = 1.0 if dice == 1 else 0.0
            elif dice < 8:
                levels.price[i] = bar.close * away
                levels.enter[i] = 0.0
                levels.leave[i] = abs(levels.position) * (0.5 if dice == 5 else 1.0)
                levels.is_stop[i] = 0.0
            elif dice == 8:
                levels.enter[i] = 0.0
                levels.leave[i] = 0.0
