"""Conversations through the command line: turns, lens, forks, restarts."""
import json
import pathlib
import signal
import struct
import time
import unittest

from support import PROMPT, DaemonTest, same_lens


def read_safetensors(path):
    """{name: list of rows of floats} of a float32 or bfloat16 file."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + o for o in entry["data_offsets"])
        raw = data[begin:end]
        if entry["dtype"] == "BF16":
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        values = struct.unpack(f"<{len(raw) // 4}f", raw)
        width = entry["shape"][1]
        tensors[name] = [values[i:i + width] for i in range(0, len(values), width)]
    return tensors


class Conversations(DaemonTest):
    def generate(self, prompt, *arguments, conversation=None):
        return self.daemon.generate(prompt, *arguments, conversation=conversation)

    def activations(self, conversation, positions, *arguments):
        path = self.daemon.state / "out.safetensors"
        self.daemon.run("activations", conversation, "--positions", positions, *arguments,
                        "--output", path)
        return read_safetensors(path)

    def test_a_turn_streams_its_prompt_and_answer(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 40, "--wait-durable")
        positions = [t["position"] for t in turn["tokens"]]
        self.assertEqual(positions, list(range(len(positions))))
        self.assertTrue(turn["durable"])
        answer = "".join(t["text"] for t in turn["tokens"] if t["role"] == "assistant")
        self.assertEqual(answer, turn["text"])

    def test_a_token_of_every_turn_can_be_clicked_the_last_too(self):
        first = self.generate(PROMPT, "--max-new-tokens", 20)
        second = self.generate(" Then", "--max-new-tokens", 21, conversation=first["conversation"])
        last = second["tokens"][-1]["position"]
        for position in (1, 15, 16, 25, last):
            lens = self.daemon.json("lens", first["conversation"], position)
            self.assertEqual(lens["position"], position)
            self.assertEqual(len(lens["context"]), min(15, position))
            for layer in lens["layers"]:
                self.assertEqual(len(layer["top"]), 10)
            final = lens["layers"][-1]
            self.assertLess(abs(final["kl_to_final"]), 1e-5)
            if position == last:
                self.assertIsNone(final["rank_of_next"])
            else:
                self.assertIsNotNone(final["rank_of_next"], position)

    def test_greedy_text_is_the_last_layers_first_choice(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 24, "--wait-durable")
        answer = [t for t in turn["tokens"] if t["role"] == "assistant"]
        for token in answer[:-1]:
            lens = self.daemon.json("lens", turn["conversation"], token["position"])
            following = turn["tokens"][token["position"] + 1]
            final = lens["layers"][-1]
            self.assertEqual(final["top"][0]["id"], following["id"])
            self.assertEqual(final["rank_of_next"], 0)

    def test_all_lens_modes_agree(self):
        lenses = []
        for mode in ("eager", "deferred", "on_demand"):
            turn = self.generate(PROMPT, "--max-new-tokens", 20, "--lens", mode, "--wait-durable")
            lenses.append(self.daemon.json("lens", turn["conversation"], 14))
        for other in lenses[1:]:
            for a, b in zip(lenses[0]["layers"], other["layers"]):
                self.assertEqual(a["top"][0]["id"], b["top"][0]["id"])
                self.assertAlmostEqual(a["entropy"], b["entropy"], delta=1e-2)

    def test_the_same_lens_after_sigkill(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 40, "--wait-durable")
        before = [self.daemon.json("lens", turn["conversation"], p) for p in (3, 30)]
        self.daemon.kill()
        self.daemon.start()
        for lens in before:
            again = self.daemon.json("lens", turn["conversation"], lens["position"])
            self.assertEqual(again["source"], "disk")
            self.assertTrue(same_lens(lens, again))

    def test_captured_rows_equal_one_uncached_pass(self):
        """Three turns, 300 tokens: what was kept as it was written equals a
        recomputation of all of it in one prefill, without any cache."""
        def turns(*options):
            conversation = None
            for prompt, count in ((PROMPT, 90), ("\n\nBut she", 90), ("\n\nAt last", 90)):
                turn = self.generate(prompt, "--max-new-tokens", count, "--wait-durable", *options,
                                     conversation=conversation)
                conversation = turn["conversation"]
            return conversation, turn["tokens"][-1]["position"] + 1

        kept, size = turns()
        bare, _ = turns("--no-capture")
        self.assertGreaterEqual(size, 290)
        sites = ["--sites", "embed,resid_post,final_norm"]
        a = self.activations(kept, f"0:{size}", *sites)
        b = self.activations(bare, f"0:{size}", *sites)
        self.assertEqual(sorted(a), sorted(b))
        for name in a:
            largest = max(1.0, max(abs(v) for row in b[name] for v in row))
            worst = max(abs(x - y) for r, s in zip(a[name], b[name]) for x, y in zip(r, s))
            # The demo model computes in bfloat16: rows of a batch and of a
            # single step may differ in the last bit of a value.
            self.assertLessEqual(worst, largest / 64, name)

    def test_a_second_viewer_sees_all_when_the_first_is_killed(self):
        first = self.daemon.popen("generate", "--model", "demo", "--max-new-tokens", 400, "--seed", 1,
                                  "--temperature", 1, PROMPT)
        conversation = None
        while conversation is None:
            listed = self.daemon.json("conversations", "list")["conversations"]
            conversation = listed[0]["id"] if listed else None
        second = self.daemon.popen("--json", "attach", conversation)
        time.sleep(0.2)
        first.send_signal(signal.SIGKILL)
        first.wait()
        out, err = second.communicate(timeout=120)
        self.assertEqual(second.returncode, 0, err)
        seen = json.loads(out)["tokens"]
        self.assertEqual([t["position"] for t in seen], list(range(len(seen))))
        self.assertGreaterEqual(len(seen), 400)
        while self.daemon.json("conversations", "show", conversation)["state"] == "running":
            pass
        self.daemon.stop()
        self.daemon.start()
        kept = self.daemon.json("conversations", "show", conversation)
        self.assertEqual([t["id"] for t in kept["tokens"]], [t["id"] for t in seen])
        self.assertEqual(kept["state"], "complete")

    def test_fork_shares_what_it_can_and_survives_its_parent(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 40, "--wait-durable")
        parent = turn["conversation"]
        before = self.daemon.status()["store"]
        fork = self.daemon.json("conversations", "fork", parent, 20)["id"]
        after = self.daemon.status()["store"]
        self.assertEqual(after["values"], before["values"])
        self.assertEqual(after["references"], before["references"] + 2)
        lens = self.daemon.json("lens", parent, 18)
        self.daemon.json("conversations", "delete", parent)
        again = self.daemon.json("lens", fork, 18)
        self.assertEqual(lens["layers"], again["layers"])
        self.assertNotEqual(again["source"], "recomputed")
        grown = self.generate(" and", "--max-new-tokens", 20, "--wait-durable", conversation=fork)
        self.assertEqual(grown["tokens"][0]["position"], 20)

    def test_conversations_of_different_models_share_nothing(self):
        one = self.generate(PROMPT, "--max-new-tokens", 20, "--wait-durable")
        before = self.daemon.status()["store"]
        self.daemon.stop()
        # The same weights under another compute type are another root.
        config = self.daemon.state / "float32.yaml"
        demo = pathlib.Path(__file__).resolve().parents[2] / "models/demo"
        config.write_text(f"models: [{{name: demo, path: {demo}, dtype: float32}}]\n")
        self.daemon.arguments = ("--config", config)
        self.daemon.start()
        self.generate(PROMPT, "--max-new-tokens", 20, "--wait-durable")
        after = self.daemon.status()["store"]
        self.assertEqual(after["chunk_names"], 2 * before["chunk_names"])
        # And the first conversation is still readable, but not writable.
        self.assertEqual(self.daemon.json("lens", one["conversation"], 5)["source"], "disk")
        self.assertFails("invalid_argument", "generate", "--model", "demo", "--conversation",
                         one["conversation"], "more")

    def test_stop_strings_are_cut(self):
        plain = self.generate(PROMPT, "--max-new-tokens", 40)
        stop = plain["text"][20:26]
        cut = self.generate(PROMPT, "--max-new-tokens", 40, "--stop", stop)
        self.assertEqual(cut["finish"], "stop")
        self.assertEqual(cut["text"], plain["text"][:plain["text"].index(stop)])

    def test_ledger_pin_list_and_delete(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 20, "--wait-durable")
        conversation = turn["conversation"]
        self.assertTrue(self.daemon.json("conversations", "pin", conversation)["pinned"])
        self.assertFalse(self.daemon.json("conversations", "unpin", conversation)["pinned"])
        shown = self.daemon.json("conversations", "show", conversation, "--ledger")
        self.assertEqual({e["resid_post"] for e in shown["ledger"]}, {"present"})
        self.assertEqual(shown["preview"], PROMPT)
        self.daemon.json("conversations", "delete", conversation)
        self.assertEqual(self.daemon.json("conversations", "list")["conversations"], [])

    def test_without_capture_a_click_recomputes(self):
        turn = self.generate(PROMPT, "--max-new-tokens", 20, "--no-capture", "--wait-durable")
        lens = self.daemon.json("lens", turn["conversation"], 20)
        self.assertEqual(lens["source"], "recomputed")
        kept = self.generate(PROMPT, "--max-new-tokens", 20, "--wait-durable")
        other = self.daemon.json("lens", kept["conversation"], 20)
        for a, b in zip(lens["layers"], other["layers"]):
            self.assertEqual(a["top"][0]["id"], b["top"][0]["id"])


class Supervision(DaemonTest):
    arguments = ("--inject-fault", "model-step=10")

    def test_an_exception_in_the_model_fails_its_turn_and_the_next_works(self):
        stderr = self.assertFails("unavailable", "generate", "--model", "demo", "--max-new-tokens", 40,
                                  PROMPT)
        self.assertIn("injected", stderr)
        self.daemon.wait_ready()
        turn = self.daemon.generate(PROMPT, "--max-new-tokens", 5, "--wait-durable")
        self.assertTrue(turn["durable"])
        self.assertEqual(self.daemon.status()["actors"]["model demo"]["deaths"], 1)


class Shutdown(DaemonTest):
    def test_sigterm_during_a_turn_keeps_what_was_written(self):
        turn = self.daemon.popen("generate", "--model", "demo", "--max-new-tokens", 900, "--seed", 1,
                                 "--temperature", 1, PROMPT)
        time.sleep(0.5)
        self.assertEqual(self.daemon.stop(), 0)
        turn.communicate(timeout=60)
        self.daemon.start()
        shown = self.daemon.json("conversations", "list")["conversations"][0]
        self.assertIn(shown["state"], ("complete", "cancelled"))
        self.assertGreater(shown["positions"], 0)
        self.daemon.json("lens", shown["id"], shown["positions"] - 1)


if __name__ == "__main__":
    unittest.main()
