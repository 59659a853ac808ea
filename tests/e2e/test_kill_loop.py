"""SIGKILL at random moments during generation: everything that was
acknowledged as durable reads back, without any repair."""
import json
import random
import time
import unittest

from support import PROMPT, DaemonTest, rounds


class KillLoop(DaemonTest):
    def acknowledged(self, turn):
        """What must be there from now on: token ids, and some lenses."""
        size = len(turn["tokens"]) + turn["tokens"][0]["position"]
        return {
            "ids": [t["id"] for t in turn["tokens"]],
            "first": turn["tokens"][0]["position"],
            "size": size,
            "lens": {p: self.daemon.json("lens", turn["conversation"], p)["layers"]
                     for p in (size - 1, size // 2)},
        }

    def check(self, conversation, kept):
        shown = self.daemon.json("conversations", "show", conversation, "--ledger")
        ids = [t["id"] for t in shown["tokens"]]
        first = kept["first"]
        self.assertEqual(ids[first:first + len(kept["ids"])], kept["ids"])
        self.assertNotIn("corrupt", {e["resid_post"] for e in shown["ledger"]})
        for position, layers in kept["lens"].items():
            lens = self.daemon.json("lens", conversation, position)
            self.assertNotEqual(lens["source"], "recomputed")
            if (position // 16 + 1) * 16 <= kept["size"]:
                self.assertEqual([a["top"] for a in lens["layers"]], [b["top"] for b in layers],
                                 f"position {position} of {kept['size']}, from {lens['source']}")
                continue
            # A turn that went on computed the open chunk again in another
            # batch, and bfloat16 rounds its sums differently.
            for a, b in zip(lens["layers"], layers):
                for x, y in zip(a["top"], b["top"]):
                    self.assertAlmostEqual(x["probability"], y["probability"], delta=0.02)

    def test_nothing_acknowledged_is_lost(self):
        random.seed(7)
        kept = {}
        for i in range(rounds(8, 50)):
            turn = self.daemon.generate(PROMPT, "--max-new-tokens", 30, "--seed", i, "--temperature", 1,
                                        "--wait-durable")
            kept[turn["conversation"]] = self.acknowledged(turn)
            victims = [self.daemon.popen("generate", "--model", "demo", "--max-new-tokens", 500,
                                         "--seed", i, "--temperature", 1, "--conversation", c, " and")
                       for c in random.sample(sorted(kept), min(2, len(kept)))]
            time.sleep(random.uniform(0, 0.6))
            self.daemon.kill()
            for v in victims:
                v.communicate(timeout=60)
            self.daemon.start()
            for conversation in random.sample(sorted(kept), min(4, len(kept))):
                self.check(conversation, kept[conversation])
        for conversation, what in kept.items():
            self.check(conversation, what)
        store = self.daemon.status()["store"]
        self.assertEqual(store["conversations"], len(kept))


if __name__ == "__main__":
    unittest.main()
