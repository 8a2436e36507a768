#!/usr/bin/env python3
"""What lies between two hosts? A wire with delay, loss and reordering, on one machine.

    wire.py CLIENT SERVER [--delay SECONDS] [--loss RATE] [--reorder RATE] [--seed N] [--mtu BYTES] [--strangers]

Makes the network namespaces CLIENT (10.77.0.1, fd77::1, and every address of 10.77.64.0/18) and SERVER (10.77.0.2,
fd77::2) with a TUN device each, prints "ready", and carries IP packets between them until SIGTERM, SIGINT or the end of
its standard input; then it ends what still runs in the two namespaces and removes them. A program is run on a host with
`ip netns exec CLIENT COMMAND`. Needs root, iproute2 and /dev/net/tun; exits with status 77 and one line without them.
The delay is one way: 0.02 makes a round trip of 40 ms. With --strangers each TCP connection that the client begins over
IPv4 comes to the server from another address, one of 10.77.64.0/18. A program, because not every kernel has netem; it
carries some ten thousand packets a second: enough for the language, not for load. This file must not know what is said
in the packets.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
DEVICE = "wire0"
UNAVAILABLE = 77  # exit status
PACKET = 65536
ENDS = (("10.77.0.1", "10.77.0.2", "fd77::1"), ("10.77.0.2", "10.77.0.1", "fd77::2"))  # here, there, here by IPv6
CLIENTS = "10.77.64.0/18"
ADDRESSES = 16000  # of these that strangers get, one after the other


def ip(*words: str) -> None:
    """Run ip(8). CalledProcessError when it fails."""
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def enter(descriptor: int) -> None:
    """The calling thread moves to the network namespace that is open on `descriptor` (setns(2)). OSError."""
    libc = ctypes.CDLL("libc.so.6", use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))


def make_host(namespace: str, end: int, mtu: int) -> int:
    """Create the namespace and move there -> the descriptor of its TUN device."""
    ip("netns", "add", namespace)
    entrance = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    enter(entrance)
    os.close(entrance)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    here, there, here6 = ENDS[end]
    ip("link", "set", "lo", "up")
    ip("addr", "add", here, "peer", there, "dev", DEVICE)
    ip("-6", "addr", "add", f"{here6}/64", "dev", DEVICE, "nodad")
    ip("link", "set", DEVICE, "mtu", str(mtu), "txqueuelen", "10000", "up")
    ip("route", "add", *(["local", CLIENTS, "dev", "lo"] if end == 0 else [CLIENTS, "dev", DEVICE]))
    return tun


class Strangers:
    """A router that gives each TCP connection of the client's an address of its own, and the replies the client's.

    What a server remembers of an address in one session then does not serve another."""

    def __init__(self, client: str) -> None:
        self._client = socket.inet_aton(client)
        self._given: dict[bytes, tuple[bytes, bytes]] = {}  # the client's port: how its last connection began, address
        self._numbers = itertools.count()

    def outward(self, packet: bytes) -> bytes:
        """A packet from the client, as the server is to see it."""
        at = _tcp(packet)
        if not at or packet[12:16] != self._client:
            return packet
        port, begins = packet[at : at + 2], packet[at + 4 : at + 8]
        if packet[at + 13] & 0x12 == 0x02 and self._given.get(port, (b"",))[0] != begins:  # SYN, not one sent again
            number = next(self._numbers) % ADDRESSES
            self._given[port] = begins, bytes((10, 77, 64 + number // 250, 1 + number % 250))
        given = self._given.get(port)
        return _readdressed(packet, at, 12, given[1]) if given else packet

    def homeward(self, packet: bytes) -> bytes:
        """A packet from the server, as the client is to see it."""
        at = _tcp(packet)
        given = self._given.get(packet[at + 2 : at + 4]) if at else None
        return _readdressed(packet, at, 16, self._client) if given and given[1] == packet[16:20] else packet


def _tcp(packet: bytes) -> int:
    """Where the TCP header of an IPv4 packet begins; 0: it is another packet."""
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP else 0


def _readdressed(packet: bytes, tcp: int, at: int, address: bytes) -> bytes:
    """With another address at an offset, and both checksums right again (RFC 1624)."""
    change = sum(struct.unpack("!2H", address)) - sum(struct.unpack_from("!2H", packet, at))
    changed = bytearray(packet)
    changed[at : at + 4] = address
    for checksum in (10, tcp + 16):
        (old,) = struct.unpack_from("!H", changed, checksum)
        struct.pack_into("!H", changed, checksum, (old - change) % 0xFFFF)
    return bytes(changed)


def carry(ends: tuple[int, int], delay: float, loss: float, reorder: float, chance: random.Random,
          strangers: Strangers | None) -> None:
    """Move packets between the two ends until standard input ends. A reordered packet is held for one more delay (at
    least a millisecond)."""
    in_flight: list[tuple[float, int, int, bytes]] = []
    number = 0
    watch = select.epoll()
    for descriptor in (*ends, 0):
        watch.register(descriptor, select.EPOLLIN)
    while True:
        now = time.monotonic()
        while in_flight and in_flight[0][0] <= now:
            _, _, to, due = heapq.heappop(in_flight)
            _put(to, due)
        wait = max(0.0, in_flight[0][0] - now) if in_flight else 1.0
        for end, _ in watch.poll(wait):
            if end == 0:
                return
            to = ends[1] if end == ends[0] else ends[0]
            while (packet := _take(end)) is not None:
                if loss and chance.random() < loss:
                    continue
                if strangers is not None:
                    packet = strangers.outward(packet) if end == ends[0] else strangers.homeward(packet)
                late = max(delay, 0.001) if reorder and chance.random() < reorder else 0.0
                if not delay and not late:
                    _put(to, packet)
                    continue
                number += 1
                heapq.heappush(in_flight, (time.monotonic() + delay + late, number, to, packet))


def _take(end: int) -> bytes | None:
    try:
        return os.read(end, PACKET)
    except BlockingIOError:
        return None


def _put(end: int, packet: bytes) -> None:
    with contextlib.suppress(OSError):  # the far end's queue is full: the packet is lost, as on any wire
        os.write(end, packet)


def _remove(namespace: str) -> None:
    """End what still runs in a namespace of ours, then remove it."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True)
    for pid in map(int, listed.stdout.split()):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", namespace], check=False, stderr=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client")
    parser.add_argument("server")
    parser.add_argument("--delay", type=float, default=0.02, help="one way, in seconds")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--reorder", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mtu", type=int, default=1500)
    parser.add_argument("--strangers", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    made: list[str] = []
    try:
        ends = []
        for end, name in enumerate((options.client, options.server)):
            made.append(name)
            ends.append(make_host(name, end, options.mtu))
        print("ready", flush=True)
        chance = random.Random(options.seed)
        strangers = Strangers(ENDS[0][0]) if options.strangers else None
        carry((ends[0], ends[1]), options.delay, options.loss, options.reorder, chance, strangers)
    except KeyboardInterrupt:
        pass
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or b""
        print(f"wire: not available here: {problem} {said.decode(errors='replace').strip()}".rstrip(), file=sys.stderr)
        return UNAVAILABLE
    finally:
        enter(home)
        for name in made:
            _remove(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
