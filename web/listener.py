"""The socket that the panel listens on, or the sentence that says why there is none."""

import errno
import socket

from engine.errors import ConfigError

_HINTS = {
    errno.EADDRINUSE: "is used by another program. Stop that one, or choose another port, such as",
    errno.EACCES: "is for the system's own programs. Choose a port of 1024 or more, such as",
}


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise ConfigError where there can be none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        server = socket.create_server(address[:2], family=family)
    except OSError as wrong:
        raise ConfigError(_sentence(host, port, wrong)) from None
    # asyncio does this only for sockets of a named protocol; without it each answer takes 40 ms
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def _sentence(host: str, port: int, wrong: OSError) -> str:
    if hint := _HINTS.get(wrong.errno or 0):
        other = (
            port + 10 if 1024 <= port < 65_000 else 8010
        )  # the engine's own port is often the next
        return f"web.port: must be free on {host}, {port} {hint} web.port={other}."
    return (
        f"web.host: must be an address of this machine, {host} was not: {wrong.strerror}. Choose"
        " 127.0.0.1, or 0.0.0.0 for all."
    )
