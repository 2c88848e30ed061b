"""What makes two machines the same: given the same events, they say the same to the last digit."""

import hashlib
import json
from dataclasses import astuple

from engine.core.assemble import Layout, assemble
from engine.core.compile import build

LENGTH = 64  # characters


def identity(plan: Layout) -> str:
    """Return a key over all that decides what comes out: parameters, functions, and the core."""
    portfolio = plan.portfolio
    names = [
        [build.driver_key(), *(build.key_of(type(part)) for part in plan.parts)],
        portfolio.symbols,
        [instance.name for instance in portfolio.instances],
        [name for name, _ in portfolio.rules],
        [astuple(place) for place in plan.books],
    ]
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(assemble(plan)[0].tobytes())
    return digest.hexdigest()
