"""What is kept and how well, from outside: the ledger, who holds how much, damage found and healed,
back-pressure."""
import json
import time
import unittest

from support import PROMPT, Daemon, BIN, DaemonTest


class Cache(DaemonTest):
    def verify(self, *arguments):
        """(exit code, document)"""
        done = self.daemon.run("--json", "cache", "verify", *arguments, check=False)
        return done.returncode, json.loads(done.stdout)

    def ledger(self, conversation):
        return self.daemon.json("conversations", "show", conversation, "--ledger")["ledger"]

    def activations(self, conversation, positions):
        return self.daemon.json("activations", conversation, "--positions", positions,
                                "--output", self.daemon.state / "out.npy")

    def test_the_ledger_says_quality_and_error_of_every_layer(self):
        bounds = {"lossless": 0, "high": 0.005, "balanced": 0.07, "small": 0.14}
        layers = self.daemon.json("models")["models"][0]["layers"]
        for quality, bound in bounds.items():
            turn = self.daemon.generate(f"{PROMPT} {quality}", "--quality", quality,
                                        "--max-new-tokens", 20, "--wait-durable")
            for entry in self.ledger(turn["conversation"]):
                lines = [l for l in entry["lines"] if l["site"] == "resid_post"]
                covered = [n for l in lines for n in range(*l["layers"])]
                self.assertEqual(covered, list(range(layers)))
                for line in entry["lines"]:
                    self.assertEqual((line["state"], line["quality"]), ("present", quality))
                    self.assertLessEqual(line["relative_error"], bound)
                    self.assertEqual(line["relative_error"] > 0, bound > 0)
            text = self.daemon.run("conversations", "show", turn["conversation"], "--ledger").stdout
            self.assertIn(f"present {quality}", text)

    def test_a_turn_without_capture_is_never_asked_for(self):
        turn = self.daemon.generate(PROMPT, "--no-capture", "--max-new-tokens", 20, "--wait-durable")
        lines = [l for entry in self.ledger(turn["conversation"]) for l in entry["lines"]]
        self.assertEqual({l["state"] for l in lines}, {"never_asked"})
        self.assertFalse(any("quality" in l for l in lines))

    def test_usage_adds_up_to_the_byte(self):
        first = self.daemon.generate(PROMPT, "--max-new-tokens", 60, "--wait-durable")["conversation"]
        self.daemon.run("conversations", "fork", first, 48)
        self.daemon.generate("Another", "--max-new-tokens", 40, "--wait-durable")
        usage = self.daemon.json("cache", "usage")
        f = usage["file"]
        self.assertEqual(f["file_bytes"] + f["unwritten_bytes"] - f["behind_bytes"],
                         f["own_bytes"] + f["live_bytes"] + f["rounding_bytes"] + f["free_bytes"])
        held = lambda h, kind: h[f"{kind}_activation_bytes"] + h[f"{kind}_lens_bytes"]
        by_id = {c["conversation"]: c["holding"] for c in usage["conversations"]}
        self.assertEqual(len(by_id), 3)
        unique = sum(held(h, "unique") for h in by_id.values())
        shared = held(by_id[first], "shared")  # with the fork, which has no more than that
        self.assertGreater(shared, 0)
        self.assertEqual(unique + shared, usage["held_bytes"])
        for group in ("owners", "models"):
            self.assertEqual([held(g["holding"], "unique") for g in usage[group]],
                             [usage["held_bytes"]])
        shown = self.daemon.json("conversations", "show", first)
        self.assertEqual(shown["holding"], by_id[first])
        self.assertIn("on disk:", self.daemon.run("conversations", "show", first).stdout)

    def test_verify_compares_a_sample_with_the_model(self):
        for quality in ("lossless", "balanced"):
            self.daemon.generate(f"{PROMPT} {quality}", "--quality", quality,
                                 "--max-new-tokens", 60, "--wait-durable")
        code, found = self.verify("--sample", 100)
        self.assertEqual((code, found["damages_found"]), (0, 0), found)
        self.assertTrue(found["complete"])
        self.assertEqual(found["chunks_recomputed"], found["chunks_total"])
        of = {f["quality"]: f for f in found["fidelities"]}
        self.assertEqual(set(of), {"lossless", "balanced"})
        self.assertLess(of["lossless"]["true_error_max"], 0.05)
        self.assertLessEqual(of["balanced"]["stored_error_max"], 0.07)
        self.assertGreater(of["balanced"]["true_error_mean"], 0)
        text = self.daemon.run("cache", "verify").stdout
        self.assertIn("nothing is damaged", text)

    def test_a_flipped_bit_on_disk_is_found_named_and_healed_by_reading(self):
        conversation = self.daemon.generate(PROMPT, "--max-new-tokens", 60,
                                            "--wait-durable")["conversation"]
        self.assertEqual(self.verify()[0], 0)
        self.assertEqual(self.daemon.stop(), 0)
        file = self.daemon.state / "cache/data.mdb"
        data = bytearray(file.read_bytes())
        # A value of 16 rows of resid_post; docs/storage-format.md says what is where.
        at = data.find(b"LVAL")
        while at >= 0 and not (data[at + 32] == 2 and data[at + 33] == 16):
            at = data.find(b"LVAL", at + 1)
        self.assertGreater(at, 0)
        name = bytes(data[at + 16:at + 32]).hex()
        data[at + 200] ^= 0x20
        file.write_bytes(data)
        self.daemon.start()
        code, found = self.verify("--conversation", conversation)
        self.assertEqual((code, found["damages_found"]), (1, 1), found)
        damage = found["damages"][0]
        self.assertEqual((damage["conversation"], damage["name"]), (conversation, name))
        self.assertEqual((damage["part"], damage["kind"]), ("resid_post", "corrupt"))
        entry = self.ledger(conversation)[damage["chunk"]]
        self.assertEqual((entry["chunk"], entry["resid_post"]), (name, "corrupt"))
        self.assertEqual(entry["embed"], "present")
        self.assertIn("1 damaged", self.daemon.run("cache", "verify", check=False).stdout)
        begin, end = damage["positions"]
        read = self.activations(conversation, f"{begin}:{end}")
        self.assertEqual(read["source"], "recomputed")
        deadline = time.monotonic() + 60  # it is stored behind the answer
        while self.ledger(conversation)[damage["chunk"]]["resid_post"] != "present":
            self.assertLess(time.monotonic(), deadline, "the damage was not healed")
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.verify()[0], 0)
        self.assertEqual(self.activations(conversation, f"{begin}:{end}")["source"], "disk")

    def test_a_turn_may_wait_or_drop_and_nothing_else(self):
        for policy in ("wait", "drop"):
            turn = self.daemon.generate(PROMPT, "--backpressure", policy, "--max-new-tokens", 20,
                                        "--wait-durable")
            self.assertTrue(turn["durable"])
            self.assertEqual(turn["dropped_positions"], 0, "the disk keeps up with 20 tokens")
        self.assertEqual(self.daemon.run("generate", "--backpressure", "hope", "x", check=False).returncode, 2)

    def test_mistakes_are_said(self):
        self.assertFails("not_found", "cache", "verify", "--conversation", "0000000000000")
        self.assertFails("limit_exceeded", "cache", "verify", "--sample", 1000000)


class Configured(unittest.TestCase):
    def daemon(self, text):
        daemon = Daemon(BIN)
        file = daemon.state / "lamina.yaml"
        file.write_text(text)
        daemon.arguments = ("--config", file)
        self.addCleanup(daemon.__exit__)
        return daemon

    def test_a_turn_with_the_policy_recompute_on_read_takes_its_cache(self):
        for policy in (False, True):
            daemon = self.daemon(f"cache: {{recompute_on_read: {str(policy).lower()}}}\n")
            daemon.start()
            first = daemon.generate(PROMPT, "--no-capture", "--max-new-tokens", 60)
            second = daemon.generate(" Then", "--max-new-tokens", 5, "--wait-durable",
                                     conversation=first["conversation"])
            self.assertEqual(second["reused_tokens"] > 0, policy)
            ledger = daemon.json("conversations", "show", first["conversation"], "--ledger")["ledger"]
            self.assertEqual(ledger[0]["resid_post"], "never_asked" if policy else "present")
            self.assertEqual(ledger[-1]["resid_post"], "present")
            # Either way they can be read.
            read = daemon.json("activations", first["conversation"], "--positions", "0:16",
                               "--output", daemon.state / "out.npy")
            self.assertEqual(read["source"] == "recomputed", policy)
            daemon.stop()

    def test_an_impossible_policy_is_refused_with_its_line(self):
        daemon = self.daemon("threads: 2\nbackpressure: hope\n")
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(timeout=60), 1)


if __name__ == "__main__":
    unittest.main()
