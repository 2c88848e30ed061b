"""Whether the panel is alive, for whoever watches over it; says nothing about the trading."""

from litestar import get


@get("/healthz", public=True, sync_to_thread=False)
def health() -> dict[str, str]:
    """Return that it is."""
    return {"status": "ok"}
