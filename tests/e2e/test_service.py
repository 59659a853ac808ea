"""laminad as a service: its units, what it tells systemd, and its metrics."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from support import BIN, PROMPT, ROOT, Daemon, eventually
from test_peers import free_port


class Units(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="lamina-units-")
        self.addCleanup(directory.cleanup)
        self.units = pathlib.Path(directory.name)
        for name in ("laminad.service", "laminad.socket"):
            text = (ROOT / "systemd" / name).read_text()
            (self.units / name).write_text(
                text.replace("/usr/bin/laminad", str(BIN.resolve() / "laminad")))

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], text=True, capture_output=True,
                              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{self.units}:"})

    def test_they_are_what_systemd_understands(self):
        for name in ("laminad.service", "laminad.socket"):
            verified = self.analyze("verify", "--man=no", "--recursive-errors=no",
                                    self.units / name)
            self.assertEqual((verified.returncode, verified.stderr), (0, ""))

    def test_a_mistake_in_them_is_noticed(self):
        unit = self.units / "laminad.service"
        unit.write_text(unit.read_text() + "\nNoSuchKey=1\n")
        self.assertIn("NoSuchKey", self.analyze("verify", "--man=no", unit).stderr)

    def test_the_service_is_hardened(self):
        rated = self.analyze("security", "--offline=true", "--threshold=16",
                             self.units / "laminad.service")
        exposure = re.search(r"exposure level[^:]*: ([0-9.]+)", rated.stdout)
        self.assertTrue(exposure, rated.stdout + rated.stderr)
        self.assertLessEqual(float(exposure[1]), 1.6, rated.stdout)
        self.assertEqual(rated.returncode, 0)

    def test_the_example_configuration_can_be_used(self):
        checked = subprocess.run(
            [BIN / "laminad", "--config", ROOT / "systemd/lamina.yaml", "--check-config"],
            text=True, capture_output=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)


class Notified(unittest.TestCase):
    """Started as systemd does: a socket handed over, and one to tell things."""

    def setUp(self):
        self.daemon = Daemon(BIN)
        state = self.daemon.state
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(state / "notify"))
        self.told.settimeout(30)
        front = socket.socket(socket.AF_UNIX)
        front.bind(str(self.daemon.socket))
        front.listen()
        environment = {**os.environ, "NOTIFY_SOCKET": str(state / "notify"),
                       "WATCHDOG_USEC": "400000"}
        # The process id is known only to the process itself.
        started = 'exec env LISTEN_PID=$$ WATCHDOG_PID=$$ LISTEN_FDS=1 "$@"'
        self.daemon.process = subprocess.Popen(
            ["sh", "-c", started, "sh", BIN / "laminad", "--state-dir", state, "--log-level",
             "warn"], env=environment, pass_fds=(3,),
            preexec_fn=lambda: os.dup2(front.fileno(), 3))
        front.close()
        self.addCleanup(self.told.close)
        self.addCleanup(self.daemon.__exit__)

    def wait_for(self, words):
        told = []
        while True:
            told += self.told.recv(4096).decode().splitlines()
            if words in told:
                return told

    def test_systemd_hears_how_it_goes(self):
        told = self.wait_for("READY=1")
        self.assertIn("EXTEND_TIMEOUT_USEC=60000000", told)
        self.wait_for("WATCHDOG=1")
        self.wait_for("WATCHDOG=1")
        self.daemon.process.send_signal(signal.SIGHUP)
        self.wait_for("RELOADING=1")
        self.wait_for("READY=1")
        self.daemon.process.send_signal(signal.SIGTERM)
        self.wait_for("STOPPING=1")
        self.assertEqual(self.daemon.process.wait(30), 0)

    def test_the_socket_that_was_handed_over_is_served_and_stays(self):
        self.wait_for("READY=1")
        self.daemon.wait_ready()
        self.daemon.generate(PROMPT, "--max-new-tokens", 2)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertTrue(self.daemon.socket.exists())


class Metrics(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.daemon = Daemon(BIN)
        configuration = self.daemon.state / "lamina.yaml"
        configuration.write_text(f"metrics: tcp://127.0.0.1:{self.port}\n")
        self.daemon.arguments = ("--config", configuration)
        self.daemon.start()
        self.addCleanup(self.daemon.__exit__)

    def get(self, path="/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def value(self, line):
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.get(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def test_they_follow_what_happens(self):
        turn = self.daemon.generate(PROMPT, "--max-new-tokens", 20, "--wait-durable")
        self.daemon.run("lens", turn["conversation"], 3)
        self.daemon.run("lens", "0000000000001", 3, check=False)
        count = 'lamina_request_seconds_count{request="GetLens"}'
        eventually(lambda: self.value(count) == 2, 10)
        self.assertEqual(self.value('lamina_request_errors_total{code="not_found"}'), 1)
        self.assertGreaterEqual(self.value('lamina_tokens_total{model="demo",kind="decoded"}'), 20)
        self.assertGreater(self.value('lamina_tier_bytes{tier="disk"}'), 0)
        self.assertEqual(self.value("lamina_conversations"), 1)
        self.assertEqual(self.value('lamina_actor_up{actor="disk"}'), 1)

    def test_anything_else_is_refused(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get("/status")
        self.assertEqual(refused.exception.code, 404)
        for noise in (b"POST /metrics HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port)) as peer:
                peer.sendall(noise)
                peer.settimeout(30)
                self.assertTrue(peer.recv(4096).startswith(b"HTTP/1.1 405"))
        self.get()

    def is_served(self):
        """Not while the daemon still turns away whoever comes."""
        try:
            return "lamina_uptime_seconds" in self.get()
        except OSError:
            return False

    def test_a_crowd_of_scrapers_is_bounded(self):
        crowd = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(50)]
        eventually(lambda: self.daemon.status()["open_files"] < 60, 30)
        for peer in crowd:
            peer.close()
        eventually(self.is_served, 30)


if __name__ == "__main__":
    unittest.main()
