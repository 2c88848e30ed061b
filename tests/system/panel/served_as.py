"""Serves a panel as another user: python -m tests.system.panel.served_as UID GID OVERRIDE…

Everything is imported and used once as root, because a user may not read where Python is; the
repository itself must be readable by all.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

from litestar.testing import TestClient

from engine.__main__ import main
from engine.api import compose
from web.accounts import first_admin
from web.app import create
from web.server import Server

HOST = "https://127.0.0.1"
PATHS = ("/", "/positions", "/orders", "/chart", "/events", "/system", "/static/panel.css", "/no")


def warm() -> None:
    """Look at the pages of a panel over a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        settings = compose(["mode=paper", f"store.directory={name}", "telemetry.port=null"])
        entered = {"name": "admin", "password": first_admin(Path(name))}
        socket.getaddrinfo("localhost", 0)
        app = create(settings)
        Server(app).config.load()  # what a server imports
        with TestClient(app, base_url=HOST) as client:
            client.post("/login", data=entered, headers={"Origin": HOST})
            for path in PATHS:
                client.get(path)


if __name__ == "__main__":
    warm()
    user, group, *typed = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
    sys.exit(main(["panel", *typed]))
