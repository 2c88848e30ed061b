"""Which code this is."""

import subprocess
from importlib import metadata
from pathlib import Path


def code_version() -> str:
    """Return the release, and in a checkout also the commit, such as 0.1.0+1a2b3c4 or …-dirty."""
    release = metadata.version("chanquant")
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return release
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{release}+{described.stdout.strip()}" if described.stdout.strip() else release
