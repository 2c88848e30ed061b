"""Hand-worked markets: positions that are kept against signals. See docs/guide/exits.md."""

from engine.core.assemble import layout
from engine.core.block import table_of
from engine.core.records import Sizing
from engine.research.backtest import replay
from tests.market import bar_events, follower, play, portfolio
from tests.unit.core.asking import Asking, ask, asking


def test_a_position_that_is_kept_against_a_signal_is_not_sized_anew(machine: type) -> None:
    # 0.1 x 10000 / 100 = 10, and at 200 0.1 x 11000 / 200 = 5.5 for 1, 2.75 for 0.5
    play(
        machine,
        """
        100 101  99 100   1     .
        100 101  99 100   0     +10@100,denied:opposite_signal
        200 201 199 200   1     .
        200 201 199 200   0     denied:opposite_signal       # and nothing for the 1 before
        200 201 199 200   0.5   .
        200 201 199 200   0     -7.25@200,denied:opposite_signal
        200 201 199 200   1     .
        200 201 199 200   .     +2.75@200
        """,
        portfolio(follower(sizing=Sizing.EQUITY, ratio=0.1, ignores_opposite=True)),
    )


def test_what_a_position_was_kept_for_ends_with_it(machine: type) -> None:
    # 1 is wanted, kept against 0, and stopped; a level enters 0.2, so that 0.8 are missing to 1
    ask(
        machine,
        """
        100 101  99.5 100  =1        .
        100 101  99.5 100  =0        +1@100,denied:opposite_signal
        100 101  89    90  0+.2@89.5 -1@95:stop_loss
         90  91  89    90  =1        +0.2@89.5
         90  91  89    90  .         +0.8@90
        """,
        asking(stop_loss=0.05, ignores_opposite=True),
    )


def test_a_strategy_of_levels_moves_its_stop_where_signals_are_ignored(machine: type) -> None:
    # its target is 0 all the time, which is no signal against what a level has bought
    made = machine(layout(asking(ignores_opposite=True, stop_loss=0.2)))
    at, record = int(table_of(made.block, "books")["state"][0]), Asking.StateRecord
    state = made.block[at : at + record.words].view(record.dtype)[0]
    state["says"][0], state["price"][0], state["enter"][0] = 1.0, 99.0, 0.5
    state["stop"][1:] = 97.0
    rows = [[100.0, 101.0, 99.5, 100.0], [100.0, 101.0, 98.5, 100.0], [100.0, 101.0, 96.0, 96.5]]
    assert replay(made, bar_events(rows)).logs["fills"]["price"].tolist() == [99.0, 97.0]
