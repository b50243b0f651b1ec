"""The least that can answer a check over HTTP: it neither parses nor decides. Prints its port."""

from __future__ import annotations

import asyncio

BODY = b'{"padding":"' + b"x" * 570 + b'"}'
"""As long as the reply to a check."""

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        # A request of a few hundred bytes over loopback comes in one piece.
        self.transport.write(REPLY)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
