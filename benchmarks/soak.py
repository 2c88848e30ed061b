"""What takes long to measure: python -m benchmarks.soak writes docs/soak.md.

Names of parts measure these alone, and leave the rows of the others as they are.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import panel
from benchmarks.line import Line
from engine import clock
from engine.version import code_version

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/soak.md"
HEAD = """# Soak

What takes too long for each change, measured by `make soak`.

| what | figure | wanted | of |
|---|---|---|---|
"""


def parity() -> Line:
    """Run the longer tests: paper is backtest with all features, killed on the way."""
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "soak", "tests/system"]
    done = subprocess.run(tests, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    summary = done.stdout.strip().splitlines()[-1]
    return Line("paper is backtest, the longer cases", summary, "all pass", done.returncode == 0)


PARTS: dict[str, Callable[[], Line]] = {"parity": parity, "panel": panel.pairs}


def main() -> int:
    """Measure, print and write; return 1 where a figure that must hold does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="default: all")
    parts = parser.parse_args().part or list(PARTS)
    lines = [PARTS[part]() for part in parts]
    of = f"{clock.utc(clock.now_ms())[:10]}, {code_version()}"
    rows = {
        row.split(" | ")[0].removeprefix("| "): row
        for row in PAGE.read_text(encoding="utf-8").splitlines()
        if row.startswith("| ") and not row.startswith("| what")
    }
    rows |= {line.name: f"| {line.name} | {line.figure} | {line.wanted} | {of} |" for line in lines}
    text = HEAD + "".join(f"{row}\n" for row in rows.values())
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(line.holds for line in lines if line.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
