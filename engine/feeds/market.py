"""A market that is made up: the price of any symbol at any moment, from nothing but a seed.

Each number is drawn by hashing what it stands for (seed, symbol, purpose, time). So no draw depends
on another, any moment can be asked for alone, and it never matters who asks together with whom.
Prices are made of + − × ÷, sqrt and rounding in a fixed order, and are the same on every CPU.

    days      the log of the price wanders around an anchor, and is drawn back to it
    minutes   walk from one day's level to the next, with regimes, clusters of volatility and jumps
    ticks     fluctuate between one minute's level and the next, however fine one looks
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.records import Event, Kind
from engine.feeds.quality import Floats, Integers, Mask, Rows

Words = np.ndarray[Any, np.dtype[np.uint64]]

MINUTE = 60_000  # ms
DAY_MINUTES = 1_440

NEVER = 1 << 62  # ms

_ANCHORS = {"BTC": 60_000.0, "ETH": 3_000.0, "BNB": 500.0, "SOL": 150.0, "XRP": 0.6, "DOGE": 0.12}
_TURNOVER = 5_000.0  # of a usual tick, in quote currency

_MEMORY_DAYS = 365  # steps of so many days make a level …
_FADE = np.multiply.accumulate(np.full(_MEMORY_DAYS, 0.99))[::-1]  # … and count ever less
_WEEKS = np.array([0.6, 0.9, 1.0, 1.3])  # volatility of whole weeks, drawn evenly
_REGIMES = np.array([0.6, 0.6, 1.0, 1.8])  # volatility of stretches, likewise
_STRETCH = 240  # minutes that a regime lasts on average
_DRIFT = 0.03  # of a regime, in volatilities of a minute
_CLUSTERS = (7, 37, 181, 911)  # minutes that a factor of volatility lasts …
_CLUSTER = 0.35  # … which is 1 plus or minus this
_USUAL = math.sqrt(0.5 / DAY_MINUTES)  # of a day's volatility, before these factors

_CERTAIN = 1 << 16  # chances of ticks are drawn in 16 bits …
_BITS = _CERTAIN - 1  # … which are these
_JUMPS = 2.0 / DAY_MINUTES  # a minute
_JUMP = 0.25  # of a day's volatility
_THIN = 1 / 40  # of all minutes …
_THIN_KEPT = _CERTAIN // 7  # … in which so few ticks are left
_GAPS = 1 / 48  # an hour, of up to _GAP minutes
_GAP = 20
_BAD_PRINTS = 0.5 / DAY_MINUTES  # a minute, off by up to _BAD_PRINT
_BAD_PRINT = 0.06

_PURPOSES = (
    *("character", "week", "day", "stretch", "switch", "drift", "move", "jump", "jump size"),
    *("thin", "gap", "path", "tick", "amount"),
    *_CLUSTERS,
)


@dataclass(frozen=True)
class _Minutes:
    """The minutes of one day; arrays are (symbols, minutes), levels are logs over the anchor."""

    level: Floats  # at the beginning of each
    rise: Floats  # to that of the next, without the jump
    jump: Floats
    jumps_at: Floats  # fraction of the minute
    swing: Floats  # volatility within the minute
    kept: Words  # chance of a tick to be printed, of _CERTAIN


class Market:
    """The ticks of some symbols, one of each per slot of `interval_ms`, which divides a minute."""

    def __init__(self, symbols: Sequence[str], seed: int, interval_ms: int) -> None:
        self._interval = interval_ms
        self._per_minute = MINUTE // interval_ms
        self._depth = (self._per_minute - 1).bit_length()
        self._keys = {purpose: _keys(seed, symbols, purpose) for purpose in _PURPOSES}
        character = self._keys["character"]
        self._jitter = interval_ms // 5
        self._phase = (character % np.uint64(interval_ms - self._jitter)).astype(np.int64)
        self._volatility = 0.02 + 0.02 * _uniform(character)  # of a usual day
        self._anchor = 0.1 * _exp(9.0 * _uniform(_mixed(character)))
        for row, symbol in enumerate(symbols):
            self._anchor[row] = _ANCHORS.get(symbol.split("/")[0], self._anchor[row, 0])
        self._price_scale = _scale(self._anchor, 1e5)
        self._amount_scale = _scale(_TURNOVER / self._anchor, 1e3)

    def slots(self, events: int) -> int:
        """Return how many slots have at most so many events; at least 1."""
        return max(1, events // (len(self._anchor) + 1))

    def most(self, start: int, end: int) -> int:
        """Return a bound of the number of events from `start` to `end` (ms)."""
        return ((end - start) // self._interval + 2) * (len(self._anchor) + 1)

    def events(self, start: int, end: int, slots: int) -> Iterator[Rows]:
        """Yield the events from `start` to before `end` (ms), so many slots at a time.

        Ticks stand in the order of time, then symbol, with a timer before those of a full minute.
        """
        first, last = start // self._interval, -(-end // self._interval)
        slots_a_day = self._per_minute * DAY_MINUTES
        for day in range(first // slots_a_day, -(-last // slots_a_day)):
            minutes = self._minutes(day)
            stop = min((day + 1) * slots_a_day, last)
            for slot in range(max(first, day * slots_a_day), stop, slots):
                rows = self._slots(minutes, day, np.arange(slot, min(slot + slots, stop)))
                begin, over = np.searchsorted(rows["ts"], (start, end))
                yield rows[begin:over]

    def _draw(self, purpose: str | int, at: Integers) -> Words:
        """Return 64 random bits for each symbol (rows) and each of the times or numbers `at`."""
        return _mixed(at.astype(np.uint64) * _STEP + self._keys[purpose])

    # ── days and minutes ──────────────────────────────────────────────────────────────────────

    def _minutes(self, day: int) -> _Minutes:
        minute = day * DAY_MINUTES + np.arange(DAY_MINUTES)
        stretch = minute // _STRETCH
        stretch = stretch - (minute % _STRETCH < self._draw("switch", stretch) % _STRETCH)
        swing = self._swing(np.array([day])) * _USUAL * _REGIMES[self._draw("stretch", stretch) % 4]
        for length in _CLUSTERS:
            shift = (self._keys[length] % np.uint64(length)).astype(np.int64)
            high = self._draw(length, (minute + shift) // length) % 2 == 1
            swing *= np.where(high, 1.0 + _CLUSTER, 1.0 - _CLUSTER)
        drift = _DRIFT * _normal(self._draw("drift", stretch))
        move = swing * (drift + _normal(self._draw("move", minute)))
        chance = _uniform(self._draw("jump", minute))
        size = _JUMP * self._volatility * _normal(self._draw("jump size", minute))
        jump = np.where(chance < _JUMPS, size, 0.0)
        walk = np.cumsum(move + jump, axis=1)
        weight = np.cumsum(swing * swing, axis=1)
        begin, end = self._level(day), self._level(day + 1)
        missed = end - begin - walk[:, -1:]  # is spread over the minutes as their variance is
        level = np.hstack([begin, begin + walk + missed * (weight / weight[:, -1:])])
        rise = np.diff(level) - jump
        return _Minutes(level[:, :-1], rise, jump, chance / _JUMPS, swing, self._kept(minute))

    def _level(self, day: int) -> Floats:
        """Return the log of the price over the anchor when a day begins, shape (symbols, 1)."""
        days = np.arange(day - _MEMORY_DAYS, day)
        steps = self._swing(days) * _normal(self._draw("day", days)) * _FADE
        return np.cumsum(steps, axis=1)[:, -1:]  # not sum(), which adds in another order

    def _swing(self, days: Integers) -> Floats:
        """Return the volatility of whole days."""
        factor: Floats = _WEEKS[self._draw("week", days // 7) % 4]
        return self._volatility * factor

    def _kept(self, minute: Integers) -> Words:
        """Return the chance of ticks: all of them, few in thin minutes, none in gaps."""
        thin = _uniform(self._draw("thin", minute)) < _THIN
        gap = self._draw("gap", minute // 60)
        begin, length = (gap >> 8) % 60, (gap >> 16) % _GAP + 1
        past = (minute % 60).astype(np.uint64) - begin  # wraps around before it begins
        missing = (_uniform(gap) < _GAPS) & (past < length)
        kept = np.where(thin, _THIN_KEPT, _CERTAIN)
        return np.where(missing, 0, kept).astype(np.uint64)

    # ── ticks ─────────────────────────────────────────────────────────────────────────────────

    def _slots(self, minutes: _Minutes, day: int, slot: Integers) -> Rows:
        """Return the events of some slots of a day."""
        at, place = np.divmod(slot, self._per_minute)
        fate = self._draw("tick", slot)
        jitter = (((fate & _BITS) * np.uint64(self._jitter + 1)) >> 16).astype(np.int64)
        begin = place * self._interval + self._phase + jitter  # ms after the full minute
        minute = at - day * DAY_MINUTES
        kept = (fate >> 16) & _BITS < minutes.kept[:, minute]
        swing = minutes.swing[:, minute]
        price = self._price(minutes, minute, begin / MINUTE, swing * self._path(at, begin / MINUTE))
        bad = fate >> 32 < int(_BAD_PRINTS / self._per_minute * 2**32)
        price[bad] *= 1.0 + _BAD_PRINT * (2.0 * _uniform(_mixed(fate[bad])) - 1.0)
        price = np.rint(price * self._price_scale) / self._price_scale
        amount = self._amount(slot, swing)
        return _events((at * MINUTE)[place == 0], at * MINUTE + begin, price, amount, kept)

    def _price(self, minutes: _Minutes, minute: Integers, within: Floats, noise: Floats) -> Floats:
        level = minutes.level[:, minute] + minutes.rise[:, minute] * within + noise
        level += minutes.jump[:, minute] * (within >= minutes.jumps_at[:, minute])
        return self._anchor * _exp(level)

    def _path(self, minute: Integers, within: Floats) -> Floats:
        """Return a Brownian bridge over each minute (Lévy's): tents, half as wide at each depth."""
        path = np.zeros(within.shape)
        for depth in range(self._depth):
            along = within * 2.0**depth
            tent = along.astype(np.int64)
            height = 1.0 - np.abs(2.0 * (along - tent) - 1.0)
            draw = self._draw("path", (minute << 17) + (1 << depth) + tent)
            path += 0.5 * math.sqrt(0.5**depth) * height * _normal(draw)
        return path

    def _amount(self, slot: Integers, swing: Floats) -> Floats:
        activity = swing / (_USUAL * self._volatility)
        amount = _TURNOVER / self._anchor * activity * _exp(_normal(self._draw("amount", slot)))
        rounded: Floats = np.maximum(np.rint(amount * self._amount_scale), 1.0) / self._amount_scale
        return rounded


def _events(timer: Integers, tick: Integers, price: Floats, amount: Floats, kept: Mask) -> Rows:
    """Return timers and those ticks that are kept, in the order of time."""
    chosen = np.flatnonzero(kept)
    events = np.zeros(len(timer) + len(chosen), Event.dtype)
    events["kind"][: len(timer)] = Kind.TIMER
    events["ts"][: len(timer)] = timer
    ticks = events[len(timer) :]
    ticks["kind"] = Kind.TICK
    ticks["ts"] = ticks["bar"]["ts"] = tick.ravel()[chosen]
    ticks["symbol"] = chosen // kept.shape[1]
    paid = price.ravel()[chosen]
    for name in ("open", "high", "low", "close"):
        ticks["bar"][name] = paid
    ticks["bar"]["volume"] = amount.ravel()[chosen]
    order = np.argsort(events["ts"], kind="stable")
    return as_words(events)[order].view(Event.dtype)[:, 0]


def as_words(events: Rows) -> Integers:
    """Return the same memory as an array (events, words), which numpy copies ten times as fast."""
    return events.view(np.int64).reshape(len(events), Event.dtype.itemsize // 8)


# ── chance and numbers ────────────────────────────────────────────────────────────────────────

_STEP = np.uint64(0x9E3779B97F4A7C15)  # this and the next two are those of SplitMix64
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_EVEN_QUARTERS, _LOW_HALF = np.uint64(0x0000FFFF0000FFFF), np.uint64(0xFFFFFFFF)


def _keys(seed: int, symbols: Sequence[str], purpose: str | int) -> Words:
    """Return where the draws of each symbol begin, shape (symbols, 1)."""
    texts = [f"{seed} {purpose} {symbol}".encode() for symbol in symbols]
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8").astype(np.uint64).reshape(-1, 1)


def _mixed(word: Words) -> Words:
    """Return words each of whose bits depends on all bits of the given one."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def _uniform(word: Words) -> Floats:
    """Return numbers from 0 to below 1."""
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _normal(word: Words) -> Floats:
    """Return the sum of a word's four quarters, near enough to the normal distribution."""
    pairs = (word & _EVEN_QUARTERS) + ((word >> np.uint64(16)) & _EVEN_QUARTERS)
    total = (pairs & _LOW_HALF) + (pairs >> np.uint64(32))
    normal: Floats = (total - 2.0 * 65_535.0) / math.sqrt((65_536.0**2 - 1.0) / 3.0)
    return normal


def _exp(x: Floats) -> Floats:
    """Return nearly e^x for |x| < 10, without np.exp, whose last bit depends on the CPU."""
    power = 1.0 + x / 4_096.0
    for _ in range(12):
        power *= power
    return power


def _scale(value: Floats, least: float) -> Floats:
    """Return the powers of ten, 1 or more, that make values no less than `least`."""
    scale = np.ones(value.shape)
    while (small := value * scale < least).any():
        scale[small] *= 10.0
    return scale
