"""What takes long to measure: python -m benchmarks.soak writes docs/soak.md."""

import sys
from pathlib import Path

from benchmarks import panel
from engine import clock
from engine.version import code_version

ROOT = Path(__file__).parents[1]
HEAD = """# Soak

What takes too long for each change, measured by `make soak`.

"""


def main() -> int:
    """Measure, print and write; return 1 where a figure that must hold does not."""
    lines = [panel.pairs()]
    day = clock.utc(clock.now_ms())[:10]
    rows = "".join(f"| {line.name} | {line.figure} | {line.wanted} |\n" for line in lines)
    text = f"{HEAD}Of {day}, {code_version()}:\n\n| what | figure | wanted |\n|---|---|---|\n{rows}"
    (ROOT / "docs/soak.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(line.holds for line in lines if line.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
