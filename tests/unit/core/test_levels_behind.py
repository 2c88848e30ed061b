"""Levels behind what ends the position, and parts of it: each story worked out by hand.

Columns are those of `tests.unit.core.asking.ask`; an exposure of 1 is 1 unit.
"""

from engine.core.portfolio import Instrument
from tests.unit.core.asking import ask, asking

PERPETUAL = (Instrument("X/USD", leverage=5.0, maintenance=0.005),)


def test_the_stop_comes_before_an_entry_behind_it(machine: type) -> None:
    # entered at 100, its stop is 90: prices come through it before they come to 85
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@85  .
        100 101  99.5 100  .                 +0.5@100
        100 101  84   86   .                 -0.5@90:stop_loss,canceled:stop_loss
        """,
        asking(stop_loss=0.1),
    )


def test_a_stop_that_an_event_opens_beyond_comes_before_what_is_entered_there(
    machine: type,
) -> None:
    # 85 is beyond the stop of 90: neither 83 nor a new order that takes at the open is entered
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@83  .
        100 101  99.5 100  2+.5@99           +0.5@100
         85  86  82.5  86  .         -0.5@85:stop_loss,canceled:stop_loss,canceled:stop_loss
        """,
        asking(stop_loss=0.1),
    )


def test_a_liquidation_comes_before_an_entry_behind_it(machine: type) -> None:
    # a fifth of 100 holds a unit: (100 - 20) / (1 - 0.005) = 80.402, before 78
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@78  .
        100 101  99.5 100  .                 +0.5@100
        100 101  77   85   .                 -0.5@80.402:liquidation,canceled:liquidation
        100 101  77   85   .                 .
        """,
        asking(instruments=PERPETUAL),
    )


def test_what_found_no_volume_has_not_entered(machine: type) -> None:
    # the touch of 99 finds none, so the open counts as ever: it lies at the take, 3 % above
    ask(
        machine,
        """
        100 101  99.5 100  0+.5@100,1+.5@99  .
        100 101  99.5 100  .                 +0.5@100
        103 103  99   100  .                 -0.5@103:take_profit,canceled:take_profit
        """,
        asking(take_profit=0.03, queue_share=0.0),
        volume=4.0,
    )


def test_a_part_leaves_in_whole_lots_and_all_of_it_as_it_is(machine: type) -> None:
    ask(
        machine,
        """
        100 101  99.5 100  0+1@100                     .
        100 101  99.5 100  0>.55@102,1>.04@102,2>7@103 +1@100,denied:below_lot
        100 104  99   100  .                           -0.5@102,-0.5@103
        """,
        asking(instruments=(Instrument("X/USD", lot=0.1),)),
    )
