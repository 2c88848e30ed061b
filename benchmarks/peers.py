"""Times one peer on the workload, in the peers' own environment.

python benchmarks/peers.py ENGINE BARS.npz RUNS prints a JSON object: seconds of each run, trades,
final equity. Data is loaded and tables are built before the clock starts.
"""

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")

FAST, SLOW, FEE, CASH = 10, 30, 0.001, 10_000.0


def wishes(close: pd.Series) -> tuple[Any, Any]:
    """Return where to enter and where to leave, decided at each close."""
    gap = close.ewm(span=FAST, adjust=False).mean() - close.ewm(span=SLOW, adjust=False).mean()
    before = gap.shift(1, fill_value=0.0)
    ready = np.arange(len(close)) >= SLOW
    return (gap > 0) & (before <= 0) & ready, (gap < 0) & (before >= 0) & ready


def vectorbt(frame: pd.DataFrame) -> tuple[int, float]:
    """Signals shifted by one bar, filled at the open."""
    import vectorbt as vbt

    enter, leave = wishes(frame["Close"])
    portfolio = vbt.Portfolio.from_signals(
        frame["Close"],
        enter.shift(1, fill_value=False),
        leave.shift(1, fill_value=False),
        price=frame["Open"],
        size=1.0,
        fees=FEE,
        init_cash=CASH,
        freq="1min",
    )
    return int(portfolio.trades.closed.count()), float(portfolio.value().iloc[-1])


def backtesting(frame: pd.DataFrame) -> tuple[int, float]:
    """The indicators are computed at once, the bars are walked one by one."""
    from backtesting import Backtest, Strategy

    class EmaCross(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            enter, leave = wishes(pd.Series(self.data.Close))
            self.enter, self.leave = enter.to_numpy(), leave.to_numpy()

        def next(self) -> None:
            i = len(self.data) - 1
            if self.enter[i]:
                self.buy(size=1)
            elif self.leave[i]:
                self.position.close()

    stats = Backtest(frame, EmaCross, cash=CASH, commission=FEE).run()
    return int(stats["# Trades"]), float(stats["Equity Final [$]"])


def main() -> None:
    engine, file, runs = sys.argv[1:]
    data = np.load(file)
    frame = pd.DataFrame(
        {name.title(): data[name] for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(data["ts"], unit="s"),
    )
    run = {"vectorbt": vectorbt, "backtesting": backtesting}[engine]
    if engine == "vectorbt":
        run(frame.head(1_000))  # its kernels are compiled before the clock starts
    seconds = []
    for _ in range(int(runs)):
        begun = time.perf_counter()
        trades, equity = run(frame)
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({"seconds": seconds, "trades": trades, "equity": equity}))


if __name__ == "__main__":
    main()
