"""What all end-to-end tests share: where the binaries are, and how long a
soak may take (LAMINA_SOAK=1 runs the full counts of docs/testing.md)."""
import os
import pathlib
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import CommandFailed, Daemon, same_lens  # noqa: E402,F401

BIN = pathlib.Path(os.environ.get("LAMINA_BIN", ROOT / "build/release/bin"))
SOAK = bool(os.environ.get("LAMINA_SOAK"))
PROMPT = "The captain looked out over the sea and said that"


def rounds(short, full):
    """How often to repeat: short in everyday runs, full in a soak."""
    return full if SOAK else short


def eventually(holds, seconds=60):
    """Waits until it does; for what the daemon does by itself a little later."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s")
        time.sleep(0.05)


class DaemonTest(unittest.TestCase):
    """One daemon with the demo model for each test."""

    arguments = ()
    models = ()

    def setUp(self):
        self.daemon = Daemon(BIN, models=self.models, arguments=self.arguments)
        self.daemon.start()
        self.addCleanup(self._end)

    def _end(self):
        status = self.daemon.stop()
        self.daemon.__exit__()
        self.assertIn(status, (0, -9), "the daemon must end cleanly")

    def assertFails(self, code, *arguments):
        """The command fails with this error code, and the daemon serves on."""
        with self.assertRaises(CommandFailed) as raised:
            self.daemon.json(*arguments)
        self.assertEqual(raised.exception.code, code, raised.exception.stderr)
        self.daemon.json("models")
        return raised.exception.stderr
