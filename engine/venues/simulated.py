"""A venue that is nowhere: its fills happen inside the core, for backtests and on paper alike."""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.core.machine import Rows


@dataclass(frozen=True)
class Simulated:
    """Fills an order at the first event of its symbol after the latency.

    latency_ms       from the decision to the earliest fill
    rejection_ratio  share of orders it rejects, drawn from seed and order id
    seed             another one rejects other orders
    """

    latency_ms: int = 0
    rejection_ratio: float = 0.0
    seed: int = 1

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that cannot be used, starting with its name."""
        if self.latency_ms < 0:
            yield f"latency_ms: must not be negative, was {self.latency_ms}. Correct it."
        if not 0.0 <= self.rejection_ratio < 1.0:
            yield (
                f"rejection_ratio: must be from 0 up to but not 1, was {self.rejection_ratio}."
                " Correct it."
            )
        if not 0 <= self.seed < 1 << 32:
            yield f"seed: must be from 0 to 4294967295, was {self.seed}. Correct it."

    def send(self, orders: Rows) -> None:
        """Take committed orders; the core that decided them holds them already."""
