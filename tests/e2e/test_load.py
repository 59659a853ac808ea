"""Random load: sessions that come and go, continue, fork, read and delete; turns
that are cancelled; clients that are killed in the middle. Between the rounds
all of it ends and is deleted, and the daemon must be as it was: no sequence, no
file, no byte in flight is left behind, and memory does not grow from round to
round. What is asserted is what `lamina status` says.

    test_load.py [MINUTES [SEED]]       by hand; 20 s otherwise
"""
import random
import signal
import sys
import threading
import time
import unittest

from support import BIN, CommandFailed, DaemonTest, eventually, rounds  # noqa: F401

SECONDS = rounds(20, 300)
SEED = 11
# The lens backlog runs when nothing else does, and a deletion waits for it.
PATIENCE = 300
ROUNDS = 4
WORKERS = 6

CONFIGURATION = """
abandon_after_ms: 200
kv_cache_mb: 16
cache:
  memory: {max_size_mb: 16}
  disk: {max_size_gb: 0.05}
"""

# What may be answered when others delete, write and fill the same places.
EXPECTED = {"not_found", "conversation_busy", "overloaded", "cancelled", "out_of_range",
            "context_full"}

TEXT = ("The captain looked out over the sea and said that the wind would turn before the "
        "evening, and that whoever wanted to be home by then had better begin. ")


class Worker(threading.Thread):
    """One after the other, whatever comes to its mind."""

    def __init__(self, test, seed):
        super().__init__()
        self.daemon_ = test.daemon
        self.shared = test.conversations
        self.random = random.Random(seed)
        self.until = 0
        self.counts = {}
        self.failed = None

    def run(self):
        actions = [self.begin, self.begin, self.resume, self.resume, self.fork, self.click,
                   self.read, self.delete, self.cancel, self.kill, self.share_a_beginning]
        while time.monotonic() < self.until and not self.failed:
            action = self.random.choice(actions)
            self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
            try:
                action()
            except CommandFailed as why:
                if why.code not in EXPECTED:
                    self.failed = f"{action.__name__}: {why.stderr}"
            except Exception as why:  # a test must see it, not a thread's log
                self.failed = f"{action.__name__}: {why!r}"

    def some(self):
        return self.random.choice(self.shared) if self.shared else None

    def turn(self):
        r = self.random
        begin = r.randrange(len(TEXT) // 2)
        arguments = ["generate", "--model", "demo", "--max-new-tokens", r.randint(1, 60)]
        if r.random() < 0.2:
            arguments.append("--no-capture")
        else:
            arguments += ["--lens", r.choice(["eager", "deferred", "on_demand"])]
        if r.random() < 0.3:
            arguments.append("--wait-durable")
        if r.random() < 0.3:
            arguments += ["--temperature", "0.9"]
        return arguments, TEXT[begin:begin + r.randint(1, len(TEXT))]

    def begin(self):
        arguments, text = self.turn()
        self.shared.append(self.daemon_.json(*arguments, text)["conversation"])

    def share_a_beginning(self):
        arguments, _ = self.turn()
        self.shared.append(self.daemon_.json(*arguments, TEXT + str(self.random.random()))
                           ["conversation"])

    def resume(self):
        arguments, text = self.turn()
        if id_ := self.some():
            self.daemon_.json(*arguments, "--conversation", id_, text[:40])

    def fork(self):
        if id_ := self.some():
            self.shared.append(self.daemon_.json(
                "conversations", "fork", id_, self.random.randint(1, 40))["id"])

    def click(self):
        if id_ := self.some():
            self.daemon_.json("lens", id_, self.random.randint(0, 30))

    def read(self):
        if id_ := self.some():
            file = self.daemon_.state / f"rows-{threading.get_ident()}.safetensors"
            self.daemon_.json("activations", id_, "--output", file)

    def delete(self):
        if id_ := self.some():
            self.daemon_.json("conversations", "delete", id_)
            if id_ in self.shared:
                self.shared.remove(id_)

    def interrupted(self, how):
        arguments, text = self.turn()
        arguments[4] = 400
        client = self.daemon_.popen("--json", *arguments, text)
        time.sleep(self.random.uniform(0.01, 0.3))
        client.send_signal(how)
        client.communicate()

    def cancel(self):
        self.interrupted(signal.SIGINT)

    def kill(self):
        self.interrupted(signal.SIGKILL)


def own_bytes(status):
    """Resident, without the pages of the store's file."""
    return status["resident_bytes"] - status["store"]["file_bytes"]


class Load(DaemonTest):
    def setUp(self):
        super().setUp()
        file = self.daemon.state / "lamina.yaml"
        file.write_text(CONFIGURATION)
        self.daemon.arguments = ("--config", file)
        self.daemon.stop()
        self.daemon.start()
        self.conversations = []

    def at_rest(self):
        status = self.daemon.status()
        engine = status["models"]["demo"]["engine"]
        return (engine["sequences"] == 0 and engine["in_flight_bytes"] == 0 and
                engine["paused"] == 0 and engine["kv_bytes_running"] == 0 and
                status["catalog"]["running"] == 0 and
                status["catalog"]["conversations"] == 0 and
                status["store"]["conversations"] == 0 and
                status["store"]["tombstones"] == 0 and
                status["lens"]["backlog"].get("queued_bytes") == 0 and  # or it is silent
                status["connections"] == 1 and
                sum(s["in_flight_bytes"] for s in status["memory"]["shards"]) == 0)

    def rest(self):
        """Deletes everything and waits until nothing is under way."""
        for conversation in self.daemon.json("conversations", "list", "--limit", 0)["conversations"]:
            eventually(lambda id_=conversation["id"]: self.gone(id_), PATIENCE)
        try:
            eventually(self.at_rest, PATIENCE)
        except AssertionError:
            self.fail(f"not at rest: {self.daemon.status()}")
        return self.daemon.status()

    def gone(self, id_):
        done = self.daemon.run("conversations", "delete", id_, check=False)
        return done.returncode == 0 or "not_found" in done.stderr

    def round(self, seconds, seed):
        workers = [Worker(self, seed * WORKERS + i) for i in range(WORKERS)]
        for worker in workers:
            worker.until = time.monotonic() + seconds
            worker.start()
        for worker in workers:
            worker.join()
        for worker in workers:
            self.assertIsNone(worker.failed)
        self.conversations.clear()
        done = {}
        for worker in workers:
            for name, count in worker.counts.items():
                done[name] = done.get(name, 0) + count
        return done

    def test_nothing_grows_under_random_load(self):
        rests = []
        for number in range(ROUNDS):
            done = self.round(SECONDS / ROUNDS, SEED + number)
            rests.append(self.rest())
            print(f"round {number}: {sum(done.values())} actions, "
                  f"{own_bytes(rests[-1]) >> 20} MB resident, "
                  f"{rests[-1]['store']['file_bytes'] >> 20} MB of file, "
                  f"{rests[-1]['open_files']} files", flush=True)
        first, last = rests[1], rests[-1]
        self.assertLessEqual(last["open_files"], first["open_files"] + 2)
        # The first rounds fill caches and pools; later ones use them again.
        self.assertLess(own_bytes(last) - own_bytes(first), 32 << 20)
        # The budget, what may be written beyond it, and what fragments cost.
        self.assertLess(last["store"]["file_bytes"], 256 << 20)
        self.assertEqual(last["damages"], 0)
        for name, part in last["actors"].items():
            self.assertEqual((part["health"], part["deaths"]), ("up", 0), name)
        self.assertNotIn("internal", last["requests"]["errors"])


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].replace(".", "").isdigit():
        SECONDS = 60 * float(sys.argv.pop(1))
        ROUNDS = 10
        if len(sys.argv) > 1 and sys.argv[1].isdigit():
            SEED = int(sys.argv.pop(1))
    unittest.main()
