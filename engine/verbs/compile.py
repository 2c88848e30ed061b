"""chanquant compile: make the machine code that everything else then only loads."""

from typing import TYPE_CHECKING

from rich.console import Console

from engine import clock
from engine.api import compose
from engine.core.assemble import layout
from engine.core.compile import cache
from engine.core.machine import Compiled
from engine.research import stats
from engine.settings import build

if TYPE_CHECKING:
    from engine.verbs import Arguments


def run(arguments: "Arguments") -> int:
    """Compile the core, the statistics and every configured part; drop what is long unused."""
    settings = compose(arguments.overrides, arguments.config_dir)
    begun = clock.seconds()
    plan = layout(build(settings))
    Compiled(plan)
    stats.compiled()
    removed = cache.prune(clock.now_ms() / 1000)
    compiled = ["driver", "statistics", *sorted({type(part).__name__ for part in plan.parts})]
    took = clock.seconds() - begun
    if arguments.json:
        facts = {"compiled": compiled, "removed": removed, "folder": str(cache.folder())}
        arguments.answer(facts | {"seconds": round(took, 3)})
    else:
        Console().print(f"{', '.join(compiled)} in {took:.1f} s, kept in {cache.folder()}")
    return 0
