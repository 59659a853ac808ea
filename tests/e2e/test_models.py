#!/usr/bin/env python3
"""Models of other families, loaded and unloaded while the daemon runs; the
allow-list; plans."""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

from support import BIN, ROOT, CommandFailed, Daemon, eventually

GOLDENS = ROOT / "tests/goldens"
STORY = (GOLDENS / "stories260K/greedy.txt").read_text()


class ModelsTest(unittest.TestCase):
    """A daemon that may load what lies under a directory of its own."""

    configuration = ""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="lamina-models-")
        self.addCleanup(scratch.cleanup)
        self.base = pathlib.Path(scratch.name).resolve()
        self.roots = self.base / "roots"
        self.roots.mkdir()
        for name in ("gpt2", "llama3", "stories260K"):
            shutil.copytree(GOLDENS / name, self.roots / name)
        config = self.base / "lamina.yaml"
        config.write_text(f"model_roots: [{self.roots}]\n{self.configuration}")
        # The golden models have no text of their own; the demo model is there
        # by itself.
        self.daemon = Daemon(BIN, state=self.base / "state",
                             arguments=("--config", str(config)))
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def names(self):
        return {m["name"]: m["health"]
                for m in self.daemon.json("models", "list")["models"]}

    def load(self, name, *options, directory=None):
        directory = directory or self.roots / name
        return self.daemon.json("models", "load", f"{name}={directory}",
                                *options)["models"][0]

    def assertFails(self, code, part, *arguments):
        with self.assertRaises(CommandFailed) as raised:
            self.daemon.run(*arguments)
        self.assertEqual(raised.exception.code, code, raised.exception.stderr)
        self.assertIn(part, raised.exception.stderr)

    def positions(self, conversation, *options):
        return self.daemon.json("lens", conversation, "last", *options)


class TestLoading(ModelsTest):
    def test_loaded_models_write_and_are_clicked(self):
        loaded = self.load("gpt2")
        self.assertEqual((loaded["architecture"], loaded["parameters"],
                          loaded["health"]), ("gpt2", 141056, "up"))
        self.assertGreater(loaded["copied_bytes"], 0)
        turn = self.daemon.generate("Some words.", "--max-new-tokens", 20,
                                    "--wait-durable", model="gpt2")
        self.assertTrue(turn["durable"])
        lens = self.positions(turn["conversation"])
        self.assertEqual([row["layer"] for row in lens["layers"]], [-1, 0, 1])
        again = self.daemon.generate(" And more.", "--max-new-tokens", 20,
                                     "--wait-durable", model="gpt2",
                                     conversation=turn["conversation"])
        self.assertGreater(again["reused_tokens"], 0)

    def test_a_published_model_writes_its_reference_text(self):
        self.load("stories260K")
        prompt = STORY[:len("Once upon a time")]
        turn = self.daemon.generate(prompt, "--max-new-tokens", 200,
                                    "--no-capture", model="stories260K")
        self.assertTrue(STORY.startswith(prompt + turn["text"]), turn["text"])

    def test_weights_of_eight_bits_are_another_model(self):
        stored = self.load("stories260K")
        self.assertEqual((stored["weights"], stored["weight_error"]),
                         ("stored", 0))
        prompt = STORY[:len("Once upon a time")]
        first = self.daemon.generate(prompt, "--max-new-tokens", 20,
                                     "--wait-durable", model="stories260K")
        self.daemon.run("models", "unload", "stories260K")
        plan = self.daemon.json("models", "plan", self.roots / "stories260K",
                                "--weights", "int8")
        self.assertEqual(plan["weights"], "int8")
        loaded = self.load("stories260K", "--weights", "int8")
        self.assertEqual(loaded["copied_bytes"], plan["copied_bytes"])
        self.assertGreater(plan["quantised_bytes"], 0)
        self.assertEqual(loaded["fingerprint"], stored["fingerprint"])
        self.assertGreater(loaded["weight_error"], 0.003)
        self.assertLess(loaded["logits_error"], 0.05)
        self.assertIn("int8, logits", self.daemon.run("models").stdout)
        # What the stored weights wrote is read, and neither continued nor
        # computed again with others.
        self.assertFails("invalid_argument", "is another one", "generate",
                         " And then", "--conversation", first["conversation"])
        turn = self.daemon.generate(prompt, "--max-new-tokens", 20,
                                    "--wait-durable", model="stories260K")
        self.assertTrue(turn["text"])
        shown = self.positions(turn["conversation"])
        self.assertTrue(shown["layers"])

    def test_tokens_are_drawn_as_the_authors_ask(self):
        usual = self.daemon.json("models")["models"][0]["usual_sampling"]
        drawn = lambda *options: self.daemon.generate(
            "The captain looked", "--max-new-tokens", 30, "--seed", 5,
            *options)["text"]
        by_model = drawn("--model-sampling")
        self.assertEqual(by_model, drawn(
            "--temperature", usual["temperature"], "--top-k", usual["top_k"],
            "--top-p", usual["top_p"]))
        self.assertNotEqual(by_model, drawn())

    def test_a_name_is_taken_once(self):
        self.load("gpt2")
        self.assertFails("already_exists", "unload it first", "models", "load",
                         f"gpt2={self.roots / 'llama3'}")
        self.assertFails("invalid_argument", "letters", "models", "load",
                         f"a b={self.roots / 'llama3'}")
        self.daemon.run("models", "unload", "gpt2")
        self.assertEqual(self.names(), {"demo": "up"})
        self.load("gpt2", "--dtype", "bfloat16",
                  directory=self.roots / "llama3")
        self.assertFails("not_found", "no model 'nobody'", "models", "unload",
                         "nobody")

    def test_what_is_broken_is_refused_and_not_listed(self):
        (self.roots / "llama3/model.safetensors").write_bytes(b"short")
        self.assertFails("corrupt", "model.safetensors", "models", "load",
                         f"llama3={self.roots / 'llama3'}")
        self.assertEqual(self.names(), {"demo": "up"})

    def test_fingerprints_are_kept(self):
        first = self.load("gpt2")["fingerprint"]
        kept = self.base / "state/fingerprints"
        self.assertIn(first, [f.read_text().strip() for f in kept.iterdir()])
        self.daemon.run("models", "unload", "gpt2")
        self.assertEqual(self.load("gpt2")["fingerprint"], first)


class TestDevices(ModelsTest):
    """The path of GPUs on the CPU; what is not there."""

    def test_a_model_on_a_device_writes_is_clicked_and_goes_on(self):
        loaded = self.load("gpt2", "--device", "torch")
        self.assertEqual(loaded["device"], "torch")
        self.assertEqual(loaded["device_bytes"], 4 * loaded["parameters"])
        self.assertIn("libtorch", loaded["matmul_path"])
        self.assertEqual(self.daemon.status()["models"]["gpt2"]["device"],
                         "torch")
        self.load("plain", directory=self.roots / "gpt2")
        turns = {}
        for model in ("gpt2", "plain"):
            turns[model] = self.daemon.generate(
                "Some words.", "--max-new-tokens", 20, "--lens", "eager",
                "--wait-durable", model=model)
            self.assertTrue(turns[model]["durable"])
        self.assertEqual(turns["gpt2"]["text"], turns["plain"]["text"])
        lens = {model: self.positions(turn["conversation"])["layers"]
                for model, turn in turns.items()}
        for own, plain in zip(lens["gpt2"], lens["plain"]):
            self.assertAlmostEqual(own["entropy"], plain["entropy"], 3)
        again = self.daemon.generate(" And more.", "--max-new-tokens", 20,
                                     "--wait-durable", model="gpt2",
                                     conversation=turns["gpt2"]["conversation"])
        self.assertGreater(again["reused_tokens"], 0)

    def test_a_device_that_is_not_there_is_refused(self):
        for command in (("load", f"gpt2={self.roots / 'gpt2'}"),
                        ("plan", self.roots / "gpt2")):
            self.assertFails("unsupported", "device cuda:100: this ", "models",
                             *command, "--device", "cuda:100")
            self.assertFails("invalid_argument",
                             "device 'gpu' is not cpu, cuda, cuda:N or torch",
                             "models", *command, "--device", "gpu")
        self.assertEqual(self.names(), {"demo": "up"})


class TestUnloading(ModelsTest):
    def test_running_turns_end_in_order_and_stay_readable(self):
        self.load("stories260K")
        running = [self.daemon.popen("--json", "generate", "--model",
                                     "stories260K", "--lens", "eager",
                                     "--max-new-tokens", 480,
                                     "--temperature", 1, "--seed", seed,
                                     "--wait-durable", "Once upon a time")
                   for seed in range(1, 9)]
        engine = lambda: self.daemon.status()["models"]["stories260K"]["engine"]
        eventually(lambda: engine()["tokens_decoded"] > 20)
        self.daemon.run("models", "unload", "stories260K")
        turns = []
        for process in running:
            out, complaint = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, complaint)
            turns.append(json.loads(out))
        self.assertNotIn("stories260K", self.names())
        self.assertTrue(all(turn["durable"] for turn in turns))
        turn = next(turn for turn in turns if turn["finish"] == "unloaded")

        conversation = turn["conversation"]
        shown = self.daemon.json("conversations", "show", conversation)
        self.assertEqual(shown["state"], "cancelled")
        self.assertEqual(len(shown["tokens"]), turn["positions"])
        rows = self.base / "rows.npy"
        self.daemon.run("activations", conversation, "--output", rows)
        self.assertTrue(rows.exists())
        self.assertTrue(self.positions(conversation)["exact"])
        self.assertFails("unavailable", "not loaded", "generate",
                         "--conversation", conversation, "And")

        self.load("stories260K")
        more = self.daemon.generate(" And", "--max-new-tokens", 4,
                                    model="stories260K",
                                    conversation=conversation)
        self.assertEqual(more["new_tokens"], 4)


class TestAllowList(ModelsTest):
    def test_outside_is_forbidden_by_name(self):
        outside = self.base / "outside"
        shutil.copytree(GOLDENS / "gpt2", outside)
        for verb in ("load", "plan"):
            asked = f"x={outside}" if verb == "load" else outside
            self.assertFails("forbidden", str(outside), "models", verb, asked)
        link = self.roots / "link"
        link.symlink_to(outside)
        self.assertFails("forbidden", str(outside), "models", "load",
                         f"x={link}")
        weights = self.roots / "gpt2/model.safetensors"
        weights.unlink()
        weights.symlink_to(outside / "model.safetensors")
        self.assertFails("forbidden", str(outside / "model.safetensors"),
                         "models", "plan", self.roots / "gpt2")
        self.assertFails("not_found", "nowhere", "models", "load",
                         f"x={self.roots / 'nowhere'}")


class TestPlans(ModelsTest):
    configuration = "model_memory_mb: 1\n"

    def test_a_plan_is_what_loading_finds(self):
        plan = self.daemon.json("models", "plan", self.roots / "llama3")
        self.assertTrue(plan["fits"])
        loaded = self.load("llama3")
        for field in ("architecture", "parameters", "weight_bytes",
                      "copied_bytes", "layers", "width", "dtype"):
            self.assertEqual(plan[field], loaded[field], field)

    def test_what_does_not_fit_is_refused_with_its_numbers(self):
        done = self.daemon.run("--json", "models", "plan",
                               self.roots / "stories260K", "--dtype",
                               "bfloat16", check=False)
        self.assertEqual(done.returncode, 0)
        # The first takes 0.4 MB of the megabyte, the second half a megabyte.
        self.load("gpt2")
        self.load("stories260K", "--dtype", "bfloat16")
        shutil.copytree(self.roots / "gpt2", self.roots / "other")
        done = self.daemon.run("--json", "models", "plan",
                               self.roots / "other", check=False)
        plan = json.loads(done.stdout)
        self.assertEqual((done.returncode, plan["fits"]), (1, False))
        self.assertFails("out_of_memory", "0.4 MB transposed", "models",
                         "load", f"other={self.roots / 'other'}")
        self.daemon.run("models", "unload", "gpt2")
        self.load("other")


if __name__ == "__main__":
    unittest.main()
