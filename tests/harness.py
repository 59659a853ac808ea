"""A laminad for tests, the demo and benchmarks: started on a directory and a
socket of its own, driven through the command line, killed and started again.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time


class CommandFailed(Exception):
    """A lamina command that ended with an error; `code` is its name."""

    def __init__(self, completed):
        super().__init__(f"exit {completed.returncode}: {completed.stderr.strip()}")
        self.exit = completed.returncode
        self.stderr = completed.stderr
        self.code = next((w.rstrip(":") for w in completed.stderr.split() if w.rstrip(":").isidentifier()
                          and w.endswith(":") and w not in ("lamina:", "error:")), None)


class Daemon:
    def __init__(self, bin_dir, state=None, models=(), arguments=()):
        self.bin_dir = pathlib.Path(bin_dir)
        self._owned = tempfile.TemporaryDirectory(prefix="lamina-") if state is None else None
        self.state = pathlib.Path(state or self._owned.name)
        self.socket = self.state / "lamina.sock"
        self.endpoint = f"unix:{self.socket}"
        self.models = models
        self.arguments = arguments
        self.environment = {}  # besides this process's own
        self.log = None        # a file for what it says; None: standard error
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()
        if self._owned:
            self._owned.cleanup()

    def start(self, wait=True):
        models = [a for m in self.models for a in ("--model", m)]
        said = open(self.log, "a") if self.log else None
        self.process = subprocess.Popen(
            [self.bin_dir / "laminad", "--state-dir", self.state, "--listen", self.endpoint,
             "--log-level", "warn", *models, *self.arguments],
            env={**os.environ, **self.environment}, stderr=said)
        if said:
            said.close()
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        """Until every model is up or refused."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"laminad ended with {self.process.returncode}")
            if self.socket.exists():
                listed = self.run("--json", "models", check=False)
                if listed.returncode == 0:
                    models = json.loads(listed.stdout)["models"]
                    if not any(m["health"].startswith(("loading", "down")) for m in models):
                        return
            time.sleep(0.02)
        raise RuntimeError(f"laminad was not ready within {seconds} s")

    def kill(self):
        """SIGKILL: nothing is flushed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; gives the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def command(self, *arguments):
        return [str(self.bin_dir / "lamina"), "--endpoint", self.endpoint, *map(str, arguments)]

    def run(self, *arguments, check=True, capture_output=True, timeout=120):
        done = subprocess.run(self.command(*arguments), text=True, capture_output=capture_output,
                              timeout=timeout)
        if check and done.returncode != 0:
            raise CommandFailed(done)
        return done

    def json(self, *arguments):
        return json.loads(self.run("--json", *arguments).stdout)

    def popen(self, *arguments, **options):
        return subprocess.Popen(self.command(*arguments), text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def generate(self, prompt, *arguments, model="demo", conversation=None):
        where = ["--conversation", conversation] if conversation else []
        return self.json("generate", "--model", model, *where, *arguments, prompt)

    def status(self):
        return self.json("status")

    def resident_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


def same_lens(a, b):
    """Equal in everything but where it came from and how long it took."""
    strip = lambda lens: {k: v for k, v in lens.items() if k not in ("source", "took_us")}
    return strip(a) == strip(b)
