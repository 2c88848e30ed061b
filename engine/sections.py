"""The sections of the configuration as types: each key, its unit and its bounds."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from engine.core.compile.declare import Rule, Strategy
from engine.core.money import Money
from engine.core.records import Sizing
from engine.exits import Exits
from engine.values import (
    CENTURY_DAYS,
    Address,
    Fraction,
    Host,
    Minutes,
    Names,
    Package,
    Port,
    Positive,
    Seconds,
    Section,
    Symbols,
    Timeframe,
    Zone,
)

MAINTENANCE = 0.005  # of a position's value, where an instrument does not say


class Mode(Section):
    """What the engine is running as."""

    name: Literal["backtest", "paper"]


class Instrument(Section):
    """How a symbol may be traded; null means not rounded, and no least amount."""

    kind: Literal["spot", "linear"] = "spot"  # linear: a perpetual settled in its quote
    tick: Positive | None = None  # price step
    lot: Positive | None = None  # quantity step, base units
    notional_min: Money | None = None  # least value of an order
    contract_size: Positive | None = None  # base units of one contract
    quote: str | None = None  # null: the text between `/` and `:` of the symbol
    leverage: Annotated[float, Field(ge=1)] | None = None  # linear: value over margin; null: 1
    leverage_max: Annotated[float, Field(ge=1)] | None = None  # what the venue allows
    margin: Literal["isolated", "cross"] | None = None  # linear; null: isolated
    maintenance_ratio: Annotated[float, Field(gt=0, lt=1)] | None = None  # linear; null: 0.005
    liquidation_ratio: Fraction | None = None  # linear: the venue's fee; null: none


class Universe(Section):
    """What is traded."""

    symbols: Symbols
    instruments: dict[str, Instrument] | None = None

    def instrument(self, symbol: str) -> Instrument:
        """Return how a symbol may be traded."""
        return (self.instruments or {}).get(symbol, Instrument())

    def quote(self, symbol: str) -> str:
        """Return the currency a symbol is priced in, or an empty text if nothing says it."""
        return self.instrument(symbol).quote or symbol.partition("/")[2].partition(":")[0]


class Account(Section):
    """With how much is traded."""

    currency: str | None = None  # null: the common quote of the symbols
    cash: Money  # at the start


class Fixed(Section):
    """The same quantity for each exposure of 1."""

    kind: Literal["fixed"]
    quantity: Positive  # base units

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        return {"sizing": Sizing.FIXED, "quantity": self.quantity}


class Equity(Section):
    """A fraction of the equity for each exposure of 1."""

    kind: Literal["equity"]
    ratio: Positive  # at most the leverage of what is traded
    reserve_ratio: Fraction = 0.005

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        given = {"ratio": self.ratio, "reserve_ratio": self.reserve_ratio}
        return {"sizing": Sizing.EQUITY, **given}


class Notional(Section):
    """The same amount of money for each exposure of 1."""

    kind: Literal["notional"]
    notional: Money

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        return {"sizing": Sizing.NOTIONAL, "notional": self.notional}


class Capped(Section):
    """A fraction of the equity that follows from something, up to a limit."""

    ratio_max: Positive = 1.0  # of the equity, at exposure 1; at most the leverage
    reserve_ratio: Fraction = 0.005

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        return {"ratio_max": self.ratio_max, "reserve_ratio": self.reserve_ratio}


class Risk(Capped):
    """So much that the stop costs a fraction of the equity, for each exposure of 1."""

    kind: Literal["risk"]
    loss_ratio: Annotated[float, Field(gt=0, lt=1)]  # of the equity, lost at the stop

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        return super().terms() | {"sizing": Sizing.RISK, "aim": self.loss_ratio}


class Volatility(Capped):
    """So much that its value varies by a fraction of the equity, for each exposure of 1."""

    kind: Literal["volatility"]
    volatility_ratio: Positive  # of the equity, standard deviation in a year
    length: Annotated[int, Field(ge=2)] = 60  # bars of the instance's timeframe

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        given = {"aim": self.volatility_ratio, "length": self.length}
        return super().terms() | {"sizing": Sizing.VOLATILITY, **given}


class Kelly(Capped):
    """A part of the fraction of Kelly, for each exposure of 1."""

    kind: Literal["kelly"]
    kelly_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5  # of the fraction
    ratio_min: Fraction = 0.01  # of the equity, also where Kelly says less
    ratio: Positive  # of the equity, until there are enough trades
    trades_min: Annotated[int, Field(ge=2)] = 30  # closed by the book

    @field_validator("ratio_min")
    @classmethod
    def _below(cls, ratio_min: float, others: ValidationInfo) -> float:
        if ratio_min > (most := others.data.get("ratio_max", math.inf)):
            raise ValueError(
                f"must be at most ratio_max, {most:g}, was {ratio_min:g}. Change one of them"
            )
        return ratio_min

    @field_validator("ratio")
    @classmethod
    def _between(cls, ratio: float, others: ValidationInfo) -> float:
        least, most = others.data.get("ratio_min", 0.0), others.data.get("ratio_max", math.inf)
        if not least <= ratio <= most:
            raise ValueError(
                f"must lie between ratio_min, {least:g}, and ratio_max, {most:g}, was {ratio:g}."
                " Change one of them"
            )
        return ratio

    def terms(self) -> dict[str, Any]:
        """Return the fields of `portfolio.Instance` that this decides."""
        given = {name: getattr(self, name) for name in ("ratio", "ratio_min", "trades_min")}
        return super().terms() | {"sizing": Sizing.KELLY, "aim": self.kelly_ratio, **given}


AnySizing = Annotated[
    Fixed | Equity | Notional | Risk | Volatility | Kelly, Field(discriminator="kind")
]


class Execution(Section):
    """How orders are made and filled; exits are always market orders."""

    fill_on: Literal["next", "close"]
    order: Literal["market", "limit"] = "market"  # of openings
    limit_offset_bps: Annotated[float, Field(ge=0, lt=10_000)] = 0.0  # better than the last price
    good_for_seconds: Seconds | None = None  # null: until canceled; 0: once
    post_only: bool = False  # a limit order that would take is canceled
    queue_share: Annotated[float, Field(ge=0, le=1)] = 1.0  # of the volume, at a price just touched
    opposite_books: Literal["deny", "allow"] = "deny"  # allow: in backtests only


class Costs(Section):
    """What a fill costs; fees are fractions of the traded value."""

    taker: Fraction
    maker: Annotated[float, Field(ge=-0.01, lt=1)]  # below 0: a rebate
    slippage_bps: Annotated[float, Field(ge=0, lt=10_000)]
    spread_bps: Annotated[float, Field(ge=0, lt=10_000)] = 0.0  # whoever takes pays half
    impact_bps: Annotated[float, Field(ge=0, lt=10_000)] = 0.0  # at an order as large as the volume
    volume_share_max: Annotated[float, Field(ge=0, le=1)] = 0.0  # that orders can fill; 0: no bound
    funding_ratio: Annotated[float, Field(ge=-0.05, le=0.05)] = 0.0  # paid by longs each time …
    funding_hours: Annotated[float, Field(ge=0.25, le=24)] = 8.0  # … so often, from midnight on
    funding_files: dict[str, str] | None = None  # {SYMBOL: path} of rates, which win

    @field_validator("funding_hours")
    @classmethod
    def _dividing(cls, hours: float) -> float:
        if not (24.0 / hours).is_integer():
            raise ValueError(f"must divide a day, was {hours:g}. Write 1, 4 or 8")
        return hours


class Store(Section):
    """Where a running engine keeps what must not be lost."""

    directory: str  # of engine.db, panel.db, journal, KILL
    snapshot_events: Annotated[int, Field(gt=0)]  # events between two snapshots
    segment_mb: Positive  # size at which a journal file is closed
    journal_days: Annotated[int, Field(gt=0)]  # how long the journal is kept


class Telemetry(Section):
    """Where a running engine tells how it is."""

    host: Host
    port: Port | None  # null: nowhere


class Web(Section):
    """The panel; language, zone and rising are where a reader has chosen none."""

    host: Host
    port: Port
    language: Literal["en", "zh"]
    zone: Zone
    rising: Literal["green", "red"]  # colour of gains
    hosts: Names | None = None  # more names that it is reached by
    proxy: Address | None = None  # of the one reverse proxy that is believed
    idle_minutes: Minutes  # without a request, then a session is over
    session_hours: Annotated[float, Field(gt=0, le=CENTURY_DAYS * 24)]  # the longest of a session


class Report(Section):
    """Where results go."""

    directory: str
    html: bool
    png: bool
    scenarios: bool  # play every backtest again under better and worse conditions


class Gate(Section):
    """What a run must reach (research/gate.py); null: not asked."""

    sharpe_min: Annotated[float, Field(ge=0)] | None
    max_drawdown_max: Annotated[float, Field(gt=0, le=1)] | None
    trend_win_rate_min: Annotated[float, Field(gt=0, le=1)] | None
    range_win_rate_min: Annotated[float, Field(gt=0, le=1)] | None
    profit_factor_min: Positive | None
    trades_min: Annotated[int, Field(gt=0)] | None


class Common(Section):
    """The keys of every instance, beside the parameters of its class; null: what is common."""

    symbols: Symbols | None = None
    timeframe: Timeframe | None = None
    sizing: AnySizing | None = None
    exits: Exits | None = None


class Instance(Common):
    """One declared strategy."""

    strategy: Strategy


class Sections(Section):
    """What stands in config.yaml; `strategy` and `risk` are in their order."""

    mode: Mode
    universe: Universe
    account: Account
    feed: Any  # has timeframe and problems(), and load (backtest) or after (paper)
    venue: Any  # has problems() and send()
    strategy: dict[str, Instance]
    sizing: AnySizing
    risk: dict[str, Rule]
    execution: Execution
    costs: Costs
    store: Store
    telemetry: Telemetry
    web: Web
    report: Report
    gate: Gate
    plugins: Annotated[tuple[Package, ...], Field(strict=False)]
