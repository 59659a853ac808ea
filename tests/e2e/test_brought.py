"""Activations that were computed elsewhere, and conversations that leave and
come: bit for bit, through a kill, and against hostile files."""
import json
import pathlib
import random
import struct
import unittest

from support import BIN, PROMPT, CommandFailed, DaemonTest, rounds, same_lens

FINGERPRINT = "00112233445566778899aabbccddeeff"


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes)."""
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """name -> (dtype, shape, bytes), and the metadata."""
    data = pathlib.Path(path).read_bytes()
    length, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + end])
    return tensors, metadata


class Brought(DaemonTest):
    LAYERS = 3
    WIDTH = 64

    def path(self, name):
        return self.daemon.state / name

    def make_rows(self, positions, seed=7, dtype="BF16", sites=("embed", "resid_post", "final_norm")):
        """Random, but finite, rows of every slot."""
        source = random.Random(seed)
        names = [n for site in sites for n in
                 ([f"resid_post.{l}" for l in range(self.LAYERS)] if site == "resid_post" else [site])]

        def values():
            floats = [source.gauss(0, 1) for _ in range(positions * self.WIDTH)]
            if dtype == "F32":
                return struct.pack(f"<{len(floats)}f", *floats)
            if dtype == "F16":
                return struct.pack(f"<{len(floats)}e", *floats)
            bits = struct.unpack(f"<{2 * len(floats)}H", struct.pack(f"<{len(floats)}f", *floats))
            return struct.pack(f"<{len(floats)}H", *bits[1::2])

        return {name: (dtype, (positions, self.WIDTH), values()) for name in names}

    def write_tokens(self, count, name="tokens.json"):
        tokens = [{"id": 1000 + p, "text": f" w{p}", "role": "user" if p < count // 2 else "assistant",
                   "turn": 0 if p < count // 3 else 1} for p in range(count)]
        tokens[1] = {"id": 7, "bytes": "e282", "role": "system"}  # half a character
        self.path(name).write_text(json.dumps(tokens))
        return tokens

    def put(self, positions, *arguments, **options):
        rows = self.make_rows(positions, **options)
        write_safetensors(self.path("x.safetensors"), rows)
        self.write_tokens(positions)
        done = self.daemon.json("activations", "put", "--model", "elsewhere", "--fingerprint", FINGERPRINT,
                                "--tokens", self.path("tokens.json"), "--input", self.path("x.safetensors"),
                                "--wait-durable", *arguments)
        return done["conversation"], rows

    def read(self, conversation, sites="embed,resid_post,final_norm"):
        self.daemon.json("activations", conversation, "--sites", sites, "--output", self.path("y.safetensors"))
        return read_safetensors(self.path("y.safetensors"))[0]

    def assertSameRows(self, conversation, rows, sites="embed,resid_post,final_norm"):
        back = self.read(conversation, sites)
        self.assertEqual(set(back), set(rows))
        for name, (dtype, shape, values) in rows.items():
            self.assertEqual(back[name][:2], (dtype, list(shape)), name)
            self.assertEqual(back[name][2], values, name)

    def test_what_is_put_is_read_back_bit_for_bit(self):
        for dtype in ("BF16", "F32", "F16"):
            conversation, rows = self.put(41, dtype=dtype)
            shown = self.daemon.json("conversations", "show", conversation)
            self.assertEqual(shown["state"], "complete")
            self.assertEqual(shown["model"], "elsewhere")
            self.assertEqual(shown["turns"], 2)
            self.assertEqual(shown["tokens"][0]["text"], " w0")
            self.assertEqual(shown["tokens"][1]["bytes"], "e282")
            self.assertEqual(shown["tokens"][1]["role"], "system")
            self.assertSameRows(conversation, rows)
            self.daemon.stop()
            self.daemon.start()
            self.assertSameRows(conversation, rows)

    def test_a_site_that_was_not_brought_is_not_found(self):
        conversation, rows = self.put(20, sites=("resid_post",))
        self.assertSameRows(conversation, rows, sites="resid_post")
        words = self.assertFails("not_found", "activations", conversation, "--sites", "embed",
                                 "--output", self.path("z.safetensors"))
        self.assertIn("brought", words)
        self.assertFails("not_found", "lens", conversation, 3)

    def test_a_brought_conversation_is_no_turn_to_continue(self):
        conversation, _ = self.put(20)
        with self.assertRaises(CommandFailed):
            self.daemon.json("generate", "--conversation", conversation, "go on")
        fork = self.daemon.json("conversations", "fork", conversation, 17)["conversation"]
        self.daemon.json("conversations", "delete", conversation)
        self.assertEqual(len(self.daemon.json("conversations", "show", fork)["tokens"]), 17)
        self.assertEqual(self.read(fork)["resid_post.1"][1], [17, self.WIDTH])

    def test_kill_in_the_middle_keeps_a_prefix_that_is_exact(self):
        rows = self.make_rows(3000)
        write_safetensors(self.path("x.safetensors"), rows)
        self.write_tokens(3000)
        for _ in range(rounds(2, 20)):
            bringing = self.daemon.popen(
                "activations", "put", "--model", "killed", "--tokens", self.path("tokens.json"), "--input",
                self.path("x.safetensors"))
            while bringing.poll() is None and not self.daemon.json(
                    "conversations", "list", "--model", "killed")["conversations"]:
                pass
            self.daemon.kill()
            bringing.communicate(timeout=60)
            self.daemon.start()
            for kept in self.daemon.json("conversations", "list", "--model", "killed")["conversations"]:
                self.assertIn(kept["state"], ("interrupted", "complete"))
                count = kept["positions"]
                if count > 0:
                    back = self.read(kept["id"])
                    for name, (_, _, values) in rows.items():
                        self.assertEqual(back[name][2], values[:count * self.WIDTH * 2])
                self.daemon.json("conversations", "delete", kept["id"])

    def test_a_client_that_breaks_off_leaves_interrupted(self):
        rows = self.make_rows(5000)
        write_safetensors(self.path("x.safetensors"), rows)
        self.write_tokens(5000)
        bringing = self.daemon.popen(
            "activations", "put", "--model", "broken-off", "--tokens", self.path("tokens.json"), "--input",
            self.path("x.safetensors"))
        listed = []
        while bringing.poll() is None and not listed:
            listed = self.daemon.json("conversations", "list", "--model", "broken-off")["conversations"]
        bringing.kill()
        bringing.communicate()
        state = "running"
        while state == "running":
            kept = self.daemon.json("conversations", "list", "--model", "broken-off")["conversations"]
            state = kept[0]["state"] if kept else "nothing came"
        self.assertIn(state, ("interrupted", "complete", "nothing came"))

    def test_lossy_put_says_its_error(self):
        conversation, rows = self.put(32, "--quality", "balanced")
        saved = self.daemon.json("activations", conversation, "--output", self.path("y.safetensors"))
        self.assertFalse(saved["exact"])
        self.assertLess(saved["relative_error"], 0.0701)
        self.assertNotEqual(read_safetensors(self.path("y.safetensors"))[0]["resid_post.1"][2],
                            rows["resid_post.1"][2])

    def lens(self, conversation, positions):
        return [self.daemon.json("lens", conversation, p) for p in positions]

    def assertSameLens(self, before, after):
        for a, b in zip(before, after):
            b = dict(b, conversation=a["conversation"])
            self.assertTrue(same_lens(a, b), (a, b))

    def test_export_and_import_are_a_round_trip(self):
        turn = self.daemon.generate(PROMPT, "--max-new-tokens", 40, "--lens", "eager", "--wait-durable")
        conversation = turn["conversation"]
        self.daemon.generate(" and", "--max-new-tokens", 20, "--lens", "eager", "--wait-durable",
                             conversation=conversation)
        done = self.daemon.json("conversations", "export", conversation, self.path("a.safetensors"))
        shown = self.daemon.json("conversations", "show", conversation)
        size = len(shown["tokens"])
        self.assertEqual(done["positions_with_activations"], size)
        self.assertEqual(done["positions_with_lens"], size)
        brought = self.daemon.json("conversations", "import", self.path("a.safetensors"))
        self.assertTrue(brought["durable"])
        copy = brought["conversation"]
        again = self.daemon.json("conversations", "show", copy)
        self.assertEqual(again["tokens"], shown["tokens"])
        self.assertEqual(again["turns"], shown["turns"])
        self.assertEqual(self.read(copy), self.read(conversation))
        places = range(size - 1)
        self.assertSameLens(self.lens(conversation, places), self.lens(copy, places))
        # What comes out of the copy is what came out of the original.
        self.daemon.json("conversations", "export", copy, self.path("b.safetensors"))
        first, second = (read_safetensors(self.path(n))[0] for n in ("a.safetensors", "b.safetensors"))
        self.assertEqual(first, second)

    def test_lossy_rows_come_back_as_they_were_decoded(self):
        conversation, _ = self.put(40, "--quality", "small")
        self.daemon.json("conversations", "export", conversation, self.path("a.safetensors"))
        copy = self.daemon.json("conversations", "import", self.path("a.safetensors"))["conversation"]
        self.assertEqual(self.read(copy), self.read(conversation))
        errors = [self.daemon.json("activations", c, "--sites", "embed,resid_post,final_norm", "--output",
                                   self.path("y.safetensors"))["relative_error"] for c in (conversation, copy)]
        self.assertGreater(errors[0], 0)
        self.assertEqual(errors[0], errors[1])

    def test_the_lens_of_brought_rows_is_their_models(self):
        turn = self.daemon.generate(PROMPT, "--max-new-tokens", 30, "--lens", "on_demand", "--wait-durable")
        conversation = turn["conversation"]
        self.daemon.json("conversations", "export", conversation, self.path("a.safetensors"))
        copy = self.daemon.json("conversations", "import", self.path("a.safetensors"))["conversation"]
        self.assertSameLens(self.lens(conversation, [2, 20]), self.lens(copy, [2, 20]))

    def test_export_to_a_directory(self):
        conversation, rows = self.put(37)
        self.daemon.json("conversations", "export", conversation, "--directory", self.path("d"))
        for name, (dtype, shape, values) in rows.items():
            tensors, _ = read_safetensors(self.path("d") / f"{name}.safetensors")
            self.assertEqual(tensors[name], (dtype, list(shape), values))
        self.daemon.json("conversations", "export", conversation, "--directory", self.path("n"), "--format", "npy")
        npy = (self.path("n") / "resid_post.1.npy").read_bytes()
        self.assertTrue(npy.startswith(b"\x93NUMPY"))
        self.assertIn(f"({37}, {self.WIDTH})".encode(), npy)
        wide = rows["resid_post.1"][2]
        floats = b"".join(b"\0\0" + wide[i:i + 2] for i in range(0, len(wide), 2))
        self.assertTrue(npy.endswith(floats))
        document = json.loads((self.path("n") / "conversation.json").read_text())
        self.assertEqual(document["positions"], 37)

    def test_people_and_files_that_are_wrong(self):
        conversation, rows = self.put(20)
        put = ["activations", "put", "--model", "m", "--tokens", self.path("tokens.json"), "--input",
               self.path("x.safetensors")]
        self.assertFails("invalid_argument", *put, "--fingerprint", "xyz")
        self.write_tokens(19)
        self.assertFails("invalid_argument", *put)
        self.path("tokens.json").write_text('[{"id": 1}]')
        self.assertFails("invalid_argument", *put)
        self.path("tokens.json").write_text('[{"id": -1, "text": "x"}]')
        self.assertFails("invalid_argument", *put)
        self.assertFails("io_error", "conversations", "import", self.path("none.safetensors"))
        self.assertFails("invalid_argument", "conversations", "import", self.path("x.safetensors"))
        self.assertFails("io_error", "conversations", "export", conversation,
                         self.path("no/such/directory/a.safetensors"))

    def test_hostile_files_are_refused_with_one_sentence(self):
        conversation, _ = self.put(20)
        self.daemon.json("conversations", "export", conversation, self.path("a.safetensors"))
        tensors, metadata = read_safetensors(self.path("a.safetensors"))
        document = json.loads(metadata["lamina"])

        def refused(change=None, code="invalid_argument", tensors=tensors):
            changed = json.loads(json.dumps(document))
            if change:
                change(changed)
            write_safetensors(self.path("h.safetensors"), tensors, {"lamina": json.dumps(changed)})
            self.assertFails(code, "conversations", "import", self.path("h.safetensors"))

        refused(lambda d: d.update(version=2), "unsupported_version")
        refused(lambda d: d.update(format="another"))
        refused(lambda d: d.update(layers=10**9))
        refused(lambda d: d.update(width=0))
        refused(lambda d: d.update(dtype="int8"))
        refused(lambda d: d.update(sites=["final_norm", "embed"]))
        refused(lambda d: d.update(sites=[]))
        refused(lambda d: d.update(rows=[[0, 10**6]]))
        refused(lambda d: d.update(rows=[[0, 16], [8, 20]]))
        refused(lambda d: d.update(rows=[[-1, 20]]))
        refused(lambda d: d.update(lens=[[0, 20]]))
        refused(lambda d: d["tokens"]["ids"].pop())
        refused(lambda d: d["tokens"]["bytes"].__setitem__(3, "zz"))
        refused(lambda d: d["tokens"]["turns"].__setitem__(3, 60000))
        refused(lambda d: d.pop("tokens"))
        refused(lambda d: d.update(fingerprint="not one"))
        refused(lambda d: d.update(model=""))
        refused(tensors={n: t for n, t in tensors.items() if n != "resid_post.1"})
        bad = struct.pack("<f", float("nan")) * 2
        refused(tensors=dict(tensors, relative_error=("F32", [2], bad)))
        whole = self.path("a.safetensors").read_bytes()
        source = random.Random(5)
        for _ in range(rounds(30, 500)):
            broken = bytearray(whole)
            if source.random() < 0.5:
                del broken[source.randrange(len(broken)):]
            else:
                for _ in range(8):
                    broken[source.randrange(min(len(broken), 4000))] = source.randrange(256)
            self.path("h.safetensors").write_bytes(broken)
            done = self.daemon.run("--json", "conversations", "import", self.path("h.safetensors"), check=False)
            self.assertIn(done.returncode, (0, 1, 2), done.stderr)
            if done.returncode:
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.daemon.json("models")


if __name__ == "__main__":
    unittest.main()
