"""An order leaves for the venue once, and only when its row is on disk."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.core.machine import Rows
from engine.live.run import run
from engine.store.database import read_only
from engine.store.tables import tables
from engine.venues.simulated import Simulated
from tests.system.left import held
from tests.unit.live.engines import settings

ORDER = tables("engine")["order"].c


@dataclass(frozen=True)
class Looking(Simulated):
    """A venue that looks into the store for each order that it is sent."""

    folder: Path = Path()
    sent: list[int] = field(default_factory=list)
    early: list[int] = field(default_factory=list)

    def send(self, orders: Rows) -> None:
        """Note the orders, and those that are not in the store yet."""
        numbers = orders["id"].tolist()
        database = read_only(self.folder)
        with database.connect() as connection:
            wanted = select(ORDER.order_id).where(ORDER.status == "placed")
            found = set(connection.execute(wanted).scalars())
        database.dispose()
        self.sent.extend(numbers)
        self.early.extend(number for number in numbers if number not in found)


@pytest.mark.parametrize("speed", ["null", "20000"])
def test_an_order_leaves_once_and_after_its_commit(speed: str, tmp_path: Path) -> None:
    venue = Looking(folder=tmp_path)
    found = settings(tmp_path, "2024-01-01T03:00", f"feed.speed={speed}")
    asyncio.run(run(found.model_copy(update={"venue": venue})))
    placed = [r["order_id"] for r in held(tmp_path).tables["order"] if r["status"] == "placed"]
    assert len(placed) > 10
    assert venue.sent == placed
    assert venue.early == []
