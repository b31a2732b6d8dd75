"""Taking connections, and refusing them for a while."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection until its end."""


class Listener:
    """Listens at one address.

    Args:
        host: to listen on.
        port: to listen on; 0 lets the system choose.
        serve: is called for each connection.
    """

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self._host = host
        self.port = port
        self._serve = serve
        self._servers: list[asyncio.Server] = []
        self._places: list[socket.socket] = []

    @property
    def is_listening(self) -> bool:
        """Whether connections are taken."""
        return any(server.is_serving() for server in self._servers)

    @property
    def is_paused(self) -> bool:
        """Whether connections are refused until `resume`."""
        return bool(self._places)

    async def start(self) -> None:
        """Begin to listen; `port` is known afterwards.

        Raises:
            OSError: the address can't be listened on.
        """
        server = await asyncio.start_server(self._serve, self._host, self.port)
        self._servers = [server]
        self.port = server.sockets[0].getsockname()[1]

    def pause(self) -> None:
        """Refuse connections until `resume`. The port stays taken: nobody else can come to listen on it."""
        if self._places:
            return
        taken = [
            (listening.family, listening.getsockname()) for server in self._servers for listening in server.sockets
        ]
        for server in self._servers:
            server.close()
        for family, address in taken:
            place = socket.socket(family, socket.SOCK_STREAM)
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                place.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            place.bind(address)
            self._places.append(place)

    async def resume(self) -> None:
        """Listen again."""
        places, self._places = self._places, []
        self._servers = [await asyncio.start_server(self._serve, sock=place) for place in places]

    def stop_accepting(self) -> None:
        """Take no more connections; those that come wait in vain for `close`.

        asyncio loses connections that are being taken when their server is closed: it never closes them.
        """
        loop = asyncio.get_running_loop()
        for server in self._servers:
            for listening in server.sockets:
                loop.remove_reader(listening)

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        for place in self._places:
            place.close()
        self._places = []

    async def wait_closed(self) -> None:
        """Wait until nothing listens any more."""
        for server in self._servers:
            await server.wait_closed()
