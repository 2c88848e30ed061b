"""What a page is drawn from, and what a page is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection

from engine.settings import Settings

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")  # each may do what those before it may


@dataclass(frozen=True)
class Who:
    """A person who is logged in."""

    name: str
    role: Role

    def is_at_least(self, role: Role) -> bool:
        """Return whether this person may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Reader:
    """How a person wants to read: kept in a cookie, known before the login.

    language  of LANGUAGES in web/language.py
    zone      IANA name of the time zone that times are shown in
    rising    the colour of gains: green in the West, red in China
    theme     auto follows the device
    """

    language: str = "en"
    zone: str = "UTC"
    rising: Literal["green", "red"] = "green"
    theme: Literal["auto", "light", "dark"] = "auto"


@dataclass(frozen=True)
class Mark:
    """The last price of a symbol; `bar` is the forming minute: open time, o, h, l, c, volume."""

    price: float
    ts: int
    bar: tuple[int, float, float, float, float, float] | None = None


@dataclass(frozen=True)
class Held:
    """What a book holds, as the engine says at this moment; stop and take are prices or None."""

    instance: str
    symbol: str
    quantity: float
    entry: float
    stop: float | None
    take: float | None
    opened_at: int
    orders: int
    paused: bool


Health = Literal["running", "silent", "stopped", "never"]


@dataclass(frozen=True)
class State:
    """How the engine is now.

    health    running: it speaks; silent: it holds its store, and has not spoken for long;
              stopped: no engine holds the store; never: there is no store yet
    source    who says so: the engine itself, or its store
    heard_at  ms, when the engine was last heard of; None for never
    ts        the market's time at the last event, ms
    marks     symbol → its last price
    held      every book that holds something or has a working order
    """

    health: Health
    source: Literal["stream", "store"]
    heard_at: int | None = None
    run: str | None = None
    mode: str | None = None
    code_version: str | None = None
    seq: int = -1
    ts: int = 0
    lag_ms: float = 0.0
    killed: bool = False
    equity: float | None = None
    cash: float | None = None
    marks: Mapping[str, Mark] = field(default_factory=dict)
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class View:
    """Everything that a page is drawn from; both connections only read.

    query  of the address: name → value, the last where a name is there twice
    now    UTC ms
    """

    settings: Settings
    engine: Connection
    panel: Connection
    state: State
    query: Mapping[str, str]
    who: Who
    reader: Reader
    now: int


@dataclass(frozen=True)
class Page:
    """A page: `pages/NAME.html` around the part that is kept fresh, `partials/NAME.html`.

    title    in English, marked for translation
    context  what both templates get beside `view`; called anew whenever something has changed
    is_tab   stands in the navigation
    is_live  is drawn again while it is looked at
    role     least role that may see it
    """

    name: str
    path: str
    title: str
    context: Callable[[View], dict[str, Any]]
    is_tab: bool = True
    is_live: bool = True
    role: Role = "viewer"
