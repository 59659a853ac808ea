"""The lens beyond a click, through the command line: records completed, turns
followed by several viewers, predictions and tokens that records do not have,
tuned lenses."""
import json
import math
import struct
import unittest

from support import PROMPT, ROOT, DaemonTest

LAYERS, WIDTH = 8, 192  # of the demo model


def write_lens(path, scale=0.0, bias=0.0, skip=(), width=WIDTH, extra=None):
    """Maps h -> h + scale h + bias, as the published form spells them."""
    header, data = {}, b""
    for i in range(LAYERS):
        rows = [scale if c % (width + 1) == 0 else 0.0 for c in range(width * width)]
        for name, shape, values in ((f"{i}.weight", [width, width], rows),
                                    (f"{i}.bias", [width], [bias] * width)):
            if name in skip:
                continue
            begin = len(data)
            data += struct.pack(f"<{len(values)}f", *values)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    if extra:
        header[extra] = {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Lens(DaemonTest):
    def setUp(self):
        super().setUp()
        self.lenses = {name: self.daemon.state / f"{name}.safetensors"
                       for name in ("zero", "scaled", "broken")}
        config = self.daemon.state / "lens.yaml"
        config.write_text(json.dumps({"models": [{
            "name": "demo", "path": str(ROOT / "models/demo"),
            "tuned_lens": {k: str(v) for k, v in self.lenses.items()}}]}))
        self.daemon.stop()
        self.daemon.arguments = ("--config", config)
        self.daemon.start()

    def ledger(self, conversation):
        shown = self.daemon.json("conversations", "show", conversation, "--ledger")
        return {entry["lens"] for entry in shown["ledger"]}

    def write(self, *arguments, tokens=40):
        return self.daemon.generate(PROMPT, "--max-new-tokens", tokens, "--wait-durable",
                                    *arguments)

    def range(self, conversation, *arguments):
        return self.daemon.json("lens", conversation, "--positions", ":", *arguments)

    def test_backfill_completes_what_on_demand_left(self):
        turn = self.write("--lens", "on_demand")
        conversation, size = turn["conversation"], turn["positions"]
        self.assertEqual(self.ledger(conversation), {"on_demand"})
        more = self.range(conversation, "--top-k", 30)["positions"]
        self.assertEqual(self.ledger(conversation), {"on_demand"}, "readouts are not kept")

        filled = self.daemon.json("lens", "backfill", conversation)
        self.assertEqual((filled["positions"], filled["computed"]), (size, size))
        self.assertEqual(self.ledger(conversation), {"present"})
        again = self.daemon.json("lens", "backfill", conversation)
        self.assertEqual(again["computed"], 0)

        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.ledger(conversation), {"present"})
        kept = self.range(conversation)["positions"]
        self.assertEqual([at["position"] for at in kept], list(range(size)))
        self.assertEqual(kept[0]["source"], "disk")
        self.assertNotIn("recomputed", {at["source"] for at in kept})
        for few, many in zip(kept, more):
            for a, b in zip(few["layers"], many["layers"]):
                self.assertEqual(len(b["top"]), 30)
                self.assertEqual([t["id"] for t in a["top"]], [t["id"] for t in b["top"][:10]])
                self.assertAlmostEqual(a["entropy"], b["entropy"], delta=1e-4)
                self.assertEqual(a["rank_of_next"], b["rank_of_next"])

    def test_tracked_tokens_and_the_tables(self):
        turn = self.write()
        conversation = turn["conversation"]
        wanted = turn["tokens"][-1]["id"]
        answer = self.daemon.json("lens", conversation, "--positions", "0:20", "--track", " sea",
                                  "--track", f"#{wanted}", "--top-k", 100)
        self.assertEqual(answer["tracked"][0]["id"], wanted)
        self.assertEqual(answer["tracked"][1]["text"], " sea")
        for at in answer["positions"]:
            for layer in at["layers"]:
                for token, rated in zip(answer["tracked"], layer["tracked"]):
                    if rated["rank"] >= 100:
                        continue
                    entry = layer["top"][rated["rank"]]
                    self.assertEqual(entry["id"], token["id"])
                    self.assertAlmostEqual(math.log(entry["probability"]),
                                           rated["log_probability"], delta=1e-4)
        grid = self.daemon.run("lens", conversation, "--positions", "0:20", "--track", " sea").stdout
        self.assertIn("·sea", grid)
        self.assertEqual(sum(line.startswith(" embed") for line in grid.splitlines()) % 2, 0)
        rows = self.daemon.run("lens", conversation, "--positions", "3:9", "--layers", 5).stdout
        self.assertEqual(len(rows.splitlines()), 2 + 6)
        path = self.daemon.state / "lens.json"
        self.daemon.run("lens", conversation, "--positions", "3:9", "--output", path)
        self.assertEqual(len(json.loads(path.read_text())["positions"]), 6)

    def newest_begins(self, text):
        newest = self.daemon.json("conversations", "list", "--limit", 1)["conversations"]
        return bool(newest) and newest[0]["preview"].startswith(text)

    def test_a_turn_is_followed_by_several_viewers(self):
        for mode in ("eager", "deferred", "on_demand"):
            writer = self.daemon.popen("--json", "generate", "--model", "demo", "--lens", mode,
                                       "--max-new-tokens", 200, "--wait-durable", f"{mode} {PROMPT}")
            while not self.newest_begins(mode):
                self.assertIsNone(writer.poll())
            follow = ("--json", "lens", "last", "--follow")
            killed = self.daemon.popen(*follow)
            viewers = [self.daemon.popen(*follow),
                       self.daemon.popen(*follow, "--layers", "embed,7")]
            self.assertTrue(killed.stdout.readline())
            killed.kill()
            killed.communicate()
            documents = [[json.loads(line) for line in viewer.communicate()[0].splitlines()]
                         for viewer in viewers]
            turn = json.loads(writer.communicate()[0])
            self.assertTrue(turn["durable"])
            for viewer, seen in zip(viewers, documents):
                self.assertEqual(viewer.returncode, 0)
                self.assertEqual([at["position"] for at in seen], list(range(turn["positions"])))
            self.assertEqual(len(documents[0][0]["layers"]), LAYERS + 1)
            self.assertEqual([l["layer"] for l in documents[1][0]["layers"]], [-1, 7])
            # What was followed is what is kept.
            kept = self.range(turn["conversation"])["positions"]
            for live, later in zip(documents[0], kept):
                for a, b in zip(live["layers"], later["layers"]):
                    self.assertAlmostEqual(a["entropy"], b["entropy"], delta=1e-3)
                    self.assertEqual(a["top"][0]["id"], b["top"][0]["id"])
                    self.assertEqual(a["rank_of_next"], b["rank_of_next"])
                    if mode != "on_demand":  # there the viewers computed them
                        self.assertEqual(a, b, (mode, live["position"]))

    def test_a_tuned_lens(self):
        conversation = self.write("--lens", "on_demand", tokens=8)["conversation"]
        write_lens(self.lenses["zero"])
        write_lens(self.lenses["scaled"], scale=-0.5, bias=0.25)
        plain = self.range(conversation, "--top-k", 20)
        zero = self.range(conversation, "--top-k", 20, "--lens", "zero")
        self.assertEqual(zero["lens"], "zero")
        self.assertEqual(plain["positions"], zero["positions"])
        scaled = self.range(conversation, "--top-k", 20, "--lens", "scaled")
        for a, b in zip(plain["positions"], scaled["positions"]):
            self.assertNotEqual(a["layers"][0], b["layers"][0])
            self.assertEqual(a["layers"][-1], b["layers"][-1], "the last layer has no map")
        models = self.daemon.json("models")["models"]
        self.assertEqual(sorted(models[0]["lenses"]), ["broken", "scaled", "zero"])

    def test_mistakes_have_one_clear_error_each(self):
        conversation = self.write(tokens=4)["conversation"]
        use = ("lens", conversation, "--positions", ":", "--lens")
        self.assertIn("broken, scaled, zero", self.assertFails("not_found", *use, "nothing"))
        broken = self.lenses["broken"]
        self.assertIn(str(broken), self.assertFails("not_found", *use, "broken"))
        write_lens(broken, skip=("3.bias",))
        self.assertIn("'3.bias' is missing", self.assertFails("corrupt", *use, "broken"))
        write_lens(broken, width=WIDTH + 1)
        self.assertIn("[193, 193]", self.assertFails("corrupt", *use, "broken"))
        write_lens(broken, extra="unembed.weight")
        self.assertIn("'unembed.weight'", self.assertFails("corrupt", *use, "broken"))
        broken.write_bytes(b"no safetensors")
        self.assertIn(str(broken), self.assertFails("corrupt", *use, "broken"))
        write_lens(broken)  # what failed is tried again
        self.daemon.json(*use, "broken")

        at = ("lens", conversation, "--positions", "0:2")
        self.assertFails("invalid_argument", *at, "--track", "two words here")
        self.assertFails("out_of_range", *at, "--track", "#99999")
        self.assertFails("invalid_argument", *at, "--track", "#x")
        self.assertFails("invalid_argument", *at, "--top-k", 100000)
        self.assertFails("out_of_range", "lens", conversation, "--positions", "0:9999")
        self.assertFails("invalid_argument", "lens", conversation)
        self.assertFails("not_found", "lens", "backfill", "0000000000000")


if __name__ == "__main__":
    unittest.main()
