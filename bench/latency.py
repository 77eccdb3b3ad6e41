"""Latency between this machine and a lab's hosts, for every program alike and without its knowledge.

Kernels without netem can't delay packets. Here the packet filter hands connections to port 22 of the hosts to a relay in this
process, which passes on what it reads half a round trip later. A new connection waits a round trip, as it would for TCP's
handshake. What a relay does not show: slow start, lost packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from bench.measured import iptables

#: What tells the relay's own connections from those it is to take.
MARK = 0x62
_ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST of linux/netfilter_ipv4.h
_CHUNK = 65536


@contextlib.contextmanager
def added(subnet: str, milliseconds: float) -> Iterator[None]:
    """As long as this lasts, SSH from here to the hosts of a network takes so much longer for a round trip; 0 changes nothing."""
    if not milliseconds:
        yield
        return
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        rule = ["OUTPUT", "-d", subnet, "-p", "tcp", "--dport", "22", "-m", "mark", "!", "--mark", str(MARK),
                "-j", "REDIRECT", "--to-ports", str(listening.getsockname()[1])]
        ending: Future[Callable[[], None]] = Future()
        # asyncio.run ends what is still open when it is told to end.
        thread = threading.Thread(target=lambda: asyncio.run(_serve(listening, milliseconds / 1000, ending)))
        thread.start()
        end = ending.result()
        iptables("-t", "nat", "-A", *rule)
        try:
            yield
        finally:
            iptables("-t", "nat", "-D", *rule)
            end()
            thread.join()


async def _serve(listening: socket.socket, round_trip: float, ending: Future[Callable[[], None]]) -> None:
    """Relay until the function that `ending` gets is called, from any thread."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)
        taken = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
        port, address = struct.unpack("!2xH4s8x", taken)
        onward = socket.socket()
        onward.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        onward.setblocking(False)
        await loop.sock_connect(onward, (socket.inet_ntoa(address), port))
        host_reader, host_writer = await asyncio.open_connection(sock=onward)
        with contextlib.suppress(asyncio.CancelledError):  # at the end shared connections are still open
            await asyncio.gather(_pass_on(reader, host_writer, round_trip / 2), _pass_on(host_reader, writer, round_trip / 2))

    def end() -> None:
        loop.call_soon_threadsafe(over.set)

    server = await asyncio.start_server(relay, sock=listening)
    ending.set_result(end)
    await over.wait()
    server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Everything that one side says, each piece so many seconds after it came; then the end of it."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        piece = b"-"
        while piece:
            due, piece = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if piece:
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def receive() -> None:
        piece = b"-"
        while piece:
            try:
                piece = await reader.read(_CHUNK)
            except OSError:
                piece = b""  # broken off, which the other side is told as an end
            waiting.put_nowait((loop.time() + delay, piece))

    with contextlib.suppress(OSError):
        await asyncio.gather(receive(), send())
