"""What stands in the bar on top of every page: the mode, its causes, and how fresh things are."""

from dataclasses import dataclass

from engine.store import queries
from engine.store.latches import in_force
from engine.store.tables import Row
from web.language import mark
from web.view import State, View
from web.words import MODES


@dataclass(frozen=True)
class Bar:
    """The mode as a word and its tone, the latches that are in force, the health of the engine.

    health  sentence, tone
    """

    mode: str
    tone: str
    causes: list[Row]
    health: str
    health_tone: str


_HEALTH = {
    "running": (mark("engine"), "ok"),
    "silent": (mark("engine silent"), "warning"),
    "stopped": (mark("engine stopped"), "danger"),
    "never": (mark("engine never started"), "muted"),
}


def bar(view: View) -> Bar:
    """Return what the bar shows."""
    state = view.state
    latches = [] if state.health == "never" else list(queries.latches(view.engine).values())
    causes = in_force(latches)
    health, health_tone = _HEALTH[state.health]
    mode, tone = _mode(state, any(cause["name"] == "kill" for cause in causes))
    return Bar(mode, tone, causes, health, health_tone)


def _mode(state: State, is_killed: bool) -> tuple[str, str]:
    """Return the mode as a word, and its tone."""
    if state.killed or is_killed:
        return mark("HALTED"), "danger"
    if state.mode is None:
        return mark("NO ENGINE"), "muted"
    return MODES.get(state.mode, state.mode), "live" if state.mode == "live" else "info"
