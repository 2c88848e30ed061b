"""What was measured, and what was wanted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One figure, and what it should be at least (a ratio) or at most (`most`)."""

    name: str
    figure: str
    wanted: str = ""
    holds: bool = True
    binding: bool = True  # False: depends on the machine too much to fail for it
