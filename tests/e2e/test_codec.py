"""Code books, `bench codec` and `plan`: what is said of bytes is what the store
then takes."""
import unittest

from support import PROMPT, DaemonTest

SUBJECTS = ("sea", "old house", "forest", "king", "river", "winter", "doctor",
            "village", "letter", "garden", "horse", "city", "child", "storm",
            "road", "book", "war", "bird", "night", "train")


def prompt_about(i):
    return f"{i}. The {SUBJECTS[i % len(SUBJECTS)]} was"


class CodecTest(DaemonTest):
    def store(self):
        return self.daemon.json("status")["store"]

    def write(self, prompt, tokens, *arguments):
        return self.daemon.generate(prompt, "--max-new-tokens", tokens, "--wait-durable",
                                    *arguments)["conversation"]

    def positions(self, conversation):
        return self.daemon.json("conversations", "show", conversation)["positions"]

    def learn(self, quality):
        """Turns until a code book is stored; their bytes of values a token."""
        positions = 0
        for i in range(40):
            positions += self.positions(self.write(prompt_about(i), 120, "--quality", quality))
            store = self.store()
            if store["code_books"]:
                return store["value_bytes"] / positions
        self.fail("no code book after 40 turns")


class CodeBooks(CodecTest):
    def test_values_are_smaller_and_survive_a_kill(self):
        without = self.learn("small")
        before = self.store()["value_bytes"]
        conversations = [self.write(prompt_about(i), 120, "--quality", "small")
                         for i in range(100, 104)]
        positions = sum(self.positions(c) for c in conversations)
        ratio = (self.store()["value_bytes"] - before) / positions / without
        self.assertLess(ratio, 0.97, "a code book saves bits")

        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.store()["code_books"], 1)
        path = self.daemon.state / "rows.npy"
        self.daemon.run("activations", conversations[0], "--output", path)
        status = self.daemon.json("status")
        self.assertEqual(status["damages"], 0)

        # What it was learned from may go.
        for kept in self.daemon.json("conversations", "list")["conversations"]:
            if kept["id"] != conversations[1]:
                self.daemon.json("conversations", "delete", kept["id"])
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.store()["code_books"], 1)
        self.daemon.run("activations", conversations[1], "--output", path)
        self.assertEqual(self.daemon.json("status")["damages"], 0)


class BenchCodec(CodecTest):
    def test_measures_each_quality_on_a_conversation(self):
        conversation = self.write(PROMPT, 60)
        report = self.daemon.json("bench", "codec", "--conversation", conversation,
                                  "--positions", "16:48")
        self.assertEqual((report["position_begin"], report["position_end"]), (16, 48))
        self.assertTrue(report["lens"])
        rows = {row["quality"]: row for row in report["rows"]}
        self.assertEqual(list(rows), ["lossless", "high", "balanced", "small"])
        self.assertEqual(rows["lossless"]["error_worst"], 0)
        for quality, bound in (("high", 0.005), ("balanced", 0.07), ("small", 0.14)):
            self.assertLessEqual(rows[quality]["error_worst"], bound)
            self.assertGreater(rows[quality]["error_mean"], 0)
            self.assertGreater(rows[quality]["lens_top1"], 0.7)
            self.assertLess(rows[quality]["value_bits"], rows["lossless"]["value_bits"])
        text = self.daemon.run("bench", "codec", "--conversation", conversation).stdout
        self.assertIn("balanced", text)
        self.assertFails("out_of_range", "bench", "codec", "--conversation", conversation,
                         "--positions", "5000:6000")

    def test_uses_the_models_code_book(self):
        self.learn("balanced")
        conversation = self.write(PROMPT, 100)
        report = self.daemon.json("bench", "codec", "--conversation", conversation)
        self.assertIsNotNone(report["code_book"])
        bits = {(row["quality"], row["code_book"]): row["payload_bits"] for row in report["rows"]}
        for quality in ("high", "balanced", "small"):
            self.assertLess(bits[quality, True], bits[quality, False])


class Plan(CodecTest):
    def test_is_right_within_a_tenth(self):
        for quality in ("lossless", "balanced"):
            for lens in ("deferred", "on_demand"):
                with self.subTest(quality=quality, lens=lens):
                    chosen = ("--quality", quality, "--lens", lens)
                    self.write(f"{quality} {lens}: " + PROMPT, 100, *chosen)
                    plan = self.daemon.json("plan", "--tokens", 400, *chosen)
                    self.assertGreater(plan["measured_chunks"], 0)
                    before = self.store()["used_bytes"]
                    written = self.positions(
                        self.write(f"{lens}, {quality}: once more", 390, *chosen))
                    grown = self.store()["used_bytes"] - before
                    planned = plan["disk_bytes_per_token"] * written
                    self.assertLess(abs(planned / grown - 1), 0.1, (planned, grown))

    def test_says_what_it_does_not_know(self):
        plan = self.daemon.json("plan", "--tokens", 1000)
        self.assertEqual(plan["measured_chunks"], 0)
        self.assertEqual(plan["engine_seconds"], 0)
        self.assertGreater(plan["disk_bytes"], 0)
        self.assertIn("documented", self.daemon.run("plan", "--tokens", 1000).stdout)
        self.assertFails("not_found", "plan", "--tokens", 10, "--model", "nobody")


if __name__ == "__main__":
    unittest.main()
