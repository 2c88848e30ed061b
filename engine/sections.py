"""The sections of the configuration as types: each key, its unit and its bounds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.core.compile.declare import Rule, Strategy
from engine.core.money import Money
from engine.values import Address, Fraction, Host, Names, Package, Port, Positive, Timeframe, Zone


class Section(BaseModel):
    """Base of all settings: they never change, and know each of their keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True
    )


class Mode(Section):
    """What the engine is running as."""

    name: Literal["backtest", "paper"]


class Instrument(Section):
    """How a symbol may be traded; null means not rounded, and no least amount."""

    kind: Literal["spot"] = "spot"
    tick: Positive | None = None  # price step
    lot: Positive | None = None  # quantity step, base units
    notional_min: Money | None = None  # least value of an order
    contract_size: Positive | None = None  # base units of one contract
    quote: str | None = None  # null: the text between `/` and `:` of the symbol


class Universe(Section):
    """What is traded."""

    symbols: Names
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


class Equity(Section):
    """A fraction of the equity for each exposure of 1."""

    kind: Literal["equity"]
    ratio: Annotated[float, Field(gt=0, le=1)]
    reserve_ratio: Fraction = 0.005


AnySizing = Annotated[Fixed | Equity, Field(discriminator="kind")]


class Exits(Section):
    """Where an instance leaves a position on its own; fractions of the fill price."""

    stop_loss: Annotated[float, Field(gt=0, lt=1)] | None = None
    take_profit: Positive | None = None


class Execution(Section):
    """How orders are filled."""

    fill_on: Literal["next", "close"]


class Costs(Section):
    """What a fill costs; fees are fractions of the traded value."""

    taker: Fraction
    maker: Annotated[float, Field(gt=-1, lt=1)]  # below 0: a rebate
    slippage_bps: Annotated[float, Field(ge=0, lt=10_000)]


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
    idle_minutes: Positive  # without a request, then a session is over
    session_hours: Positive  # the longest that a session lasts


class Report(Section):
    """Where results go."""

    directory: str
    html: bool
    png: bool


class Common(Section):
    """The keys of every instance, beside the parameters of its class; null: what is common."""

    symbols: Names | None = None
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
    plugins: Annotated[tuple[Package, ...], Field(strict=False)]
