# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A sender that keeps a link busy, and its receiver.

``python -m testbed.bulk send ADDRESS MBPS`` sends datagrams at a rate until its input ends. ``python -m testbed.bulk
receive ADDRESS`` prints `ready`, then, at the end of its input, the monotonic time of each arrival as a JSON list.
"""

from __future__ import annotations

import array
import json
import select
import socket
import sys
import time

#: Payload of a datagram, and its bytes on the link with the headers of UDP, IP and Ethernet.
PAYLOAD_BYTES = 1400
FRAME_BYTES = PAYLOAD_BYTES + 8 + 20 + 14
_PORT = 9999
#: Seconds between two bursts of the sender.
_PERIOD_S = 0.002
_BUFFER_BYTES = 8_000_000


def send(address: str, mbps: float) -> None:
    """Send until the input ends."""
    frames_per_s, data = 1e6 * mbps / 8.0 / FRAME_BYTES, bytes(PAYLOAD_BYTES)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        begin_s, sent = time.monotonic(), 0
        while not select.select([sys.stdin], [], [], _PERIOD_S)[0]:
            due = int((time.monotonic() - begin_s) * frames_per_s)
            for _ in range(due - sent):
                sender.sendto(data, (address, _PORT))
            sent = due


def receive(address: str) -> list[float]:
    """Return the monotonic time of each arrival until the input ends."""
    times = array.array("d")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        receiver.bind((address, _PORT))
        receiver.setblocking(False)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([receiver, sys.stdin], [], [])
            if receiver in ready:
                receiver.recv(PAYLOAD_BYTES)
                times.append(time.monotonic())
            if sys.stdin in ready:
                return times.tolist()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], float(sys.argv[3]))
    else:
        print(json.dumps(receive(sys.argv[2])))
