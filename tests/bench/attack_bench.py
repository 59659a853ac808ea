#!/usr/bin/env python3
"""Clicks while somebody means no good: p50 and p99 of click_bench, alone and
beside each kind of peer in turn, medians over the rounds.

    attack_bench.py BIN_DIRECTORY [ROUNDS=3]

Attackers run in this process, over TCP, and take what processor they can; on a
machine of two cores some of what is seen is that.
"""
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness import Daemon  # noqa: E402

HEADER = struct.Struct("<4sHBBIIII")  # docs/protocol.md
PROMPT = "It was a dark and"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Attacker(threading.Thread):
    """Calls `once` with a port until it is told to stop."""

    def __init__(self, port, once):
        super().__init__(daemon=True)
        self.port, self.once, self.over, self.count = port, once, threading.Event(), 0

    def run(self):
        while not self.over.is_set():
            try:
                self.once(self.port)
                self.count += 1
            except OSError:
                pass  # sent away

    def stop(self):
        self.over.set()
        self.join()


def connect(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.settimeout(5)
    return peer


def drip(port):
    """60 peers that send a byte of a frame every fifth of a second."""
    crowd = [connect(port) for _ in range(60)]
    for byte in HEADER.pack(b"LAMN", 1, 1, 0, 1, 100, 0, 0)[:10]:
        for peer in crowd:
            peer.sendall(bytes([byte]))
        time.sleep(0.2)
    for peer in crowd:
        peer.close()


def crowd_in(port):
    """A thousand connections that say nothing."""
    crowd = []
    for _ in range(1000):
        crowd.append(connect(port))
    for peer in crowd:
        peer.close()


def claim(port):
    """A first frame that is said to be of a gigabyte."""
    peer = connect(port)
    peer.sendall(HEADER.pack(b"LAMN", 1, 1, 0, 1, 1 << 30, 0, 0))
    peer.recv(4096)
    peer.close()


def noise(port):
    peer = connect(port)
    peer.sendall(b"\x8a\x31\xf0\x07" * 512)
    peer.recv(4096)
    peer.close()


ATTACKS = {"60 that drip": drip, "1,000 that say nothing": crowd_in, "claims of a gigabyte": claim,
           "random bytes": noise}


def clicks(bin_dir, daemon):
    """p50 and p99 in ms, in the daemon and at the client, of the lens."""
    said = subprocess.run([bin_dir / "click_bench", daemon.endpoint, "click", "2"], check=True,
                          capture_output=True, text=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("lens, memory"))
    return [float(n) for n in re.findall(r"p(?:50|99) ([\d.]+)", line)]


def beside_a_turn(daemon, read):
    """A turn whose viewer reads all, or nothing at all."""
    viewer = subprocess.Popen([daemon.bin_dir / "lamina", "--endpoint", daemon.endpoint, "generate",
                               "--model", "demo", "--max-new-tokens", "900", "--temperature", "1", PROMPT],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)  # the turn has begun
    if not read:
        viewer.send_signal(signal.SIGSTOP)
    return viewer


def measure(bin_dir, daemon, port, seen):
    def note(what):
        seen.setdefault(what, []).append(clicks(bin_dir, daemon))

    note("alone")
    for name, once in ATTACKS.items():
        attacker = Attacker(port, once)
        attacker.start()
        time.sleep(0.3)  # under way
        note(name)
        attacker.stop()
        time.sleep(2)  # what it left is sent away
    for name, read in (("a turn that is read", True), ("a turn that nobody reads", False)):
        viewer = beside_a_turn(daemon, read)
        note(name)
        viewer.kill()
        viewer.wait()
        time.sleep(1)


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    port = free_port()
    with Daemon(bin_dir, arguments=("--listen", f"tcp://127.0.0.1:{port}")) as daemon:
        subprocess.run([bin_dir / "click_bench", daemon.endpoint, "prepare", "8", "900"], check=True)
        clicks(bin_dir, daemon)  # into memory
        seen = {}
        for _ in range(rounds):
            measure(bin_dir, daemon, port, seen)
    print("lens of a position, ms             daemon p50    p99   client p50    p99")
    for what, rows in seen.items():
        columns = [statistics.median(column) for column in zip(*rows)]
        print(f"{what:32} {columns[0]:13.3f} {columns[1]:6.3f} {columns[2]:12.3f} {columns[3]:6.3f}")


if __name__ == "__main__":
    main()
