"""Search through the command line, against sums in Python over what
`lamina activations` saves."""
import json
import math
import struct
import unittest

from support import PROMPT, DaemonTest

LAYER = 4


def read_npy(path):
    """[slot][position][width] of a float32 array."""
    data = path.read_bytes()
    length = struct.unpack_from("<H", data, 8)[0]
    shape = data[10:10 + length].split(b"'shape': (")[1].split(b")")[0]
    slots, positions, width = (int(n) for n in shape.split(b",") if n.strip())
    values = struct.unpack_from(f"<{slots * positions * width}f", data, 10 + length)
    rows = [values[i:i + width] for i in range(0, len(values), width)]
    return [rows[s * positions:(s + 1) * positions] for s in range(slots)]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def write_safetensors(path, **vectors):
    header, data = {}, b""
    for name, vector in vectors.items():
        begin = len(data)
        data += struct.pack(f"<{len(vector)}f", *vector)
        header[name] = {"dtype": "F32", "shape": [len(vector)], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Search(DaemonTest):
    def write(self, prompt, tokens=24):
        turn = self.daemon.generate(prompt, "--max-new-tokens", tokens, "--wait-durable")
        return turn["conversation"]

    def rows(self, conversation):
        path = self.daemon.state / "rows.npy"
        self.daemon.run("activations", conversation, "--layers", LAYER, "--output", path)
        return read_npy(path)[0]

    def search(self, *arguments):
        return self.daemon.json("search", *arguments)

    def assertRanked(self, hits, expected, message=None):
        """The same places and scores, though equal neighbours may swap."""
        self.assertEqual(len(hits), len(expected), message)
        scores = dict(((c, p), s) for s, c, p in expected)
        for hit, (score, _, _) in zip(hits, expected):
            self.assertAlmostEqual(hit["score"], score, delta=1e-5, msg=message)
            self.assertAlmostEqual(scores[hit["conversation"], hit["position"]], score, delta=1e-5)

    def test_nearest_positions_and_a_probe(self):
        prompts = (PROMPT, "The ship came home", "It was a dark night, and the sea")
        written = {c: self.rows(c) for c in map(self.write, prompts)}
        query_at = list(written)[1]
        query = written[query_at][5]
        everything = sorted(((cosine(query, row), c, p) for c, rows in written.items()
                             for p, row in enumerate(rows)), reverse=True)
        others = [e for e in everything if e[1:] != (query_at, 5)]
        by_position = ("--conversation", query_at, "--position", 5, "--layer", LAYER)

        found = self.search(*by_position, "--top", 10)
        self.assertRanked(found["hits"], others[:10])
        self.assertTrue(found["complete"])
        self.assertEqual(found["positions_scored"], len(others))
        self.assertEqual(found["positions_missing"], 0)

        first = self.search(*by_position, "--include-query")["hits"][0]
        self.assertEqual((first["conversation"], first["position"]), (query_at, 5))

        inside = next(iter(written))
        found = self.search(*by_position, "--in", inside, "--role", "assistant", "--top", 5)
        self.assertEqual(found["conversations"], 1)
        self.assertTrue(all(h["role"] == "assistant" and h["conversation"] == inside
                            for h in found["hits"]))

        probe = self.daemon.state / "probe.safetensors"
        write_safetensors(probe, query=query, other=[1.0, 2.0])
        found = self.search("--vector", probe, "--tensor", "query", "--layer", LAYER, "--top", 10)
        self.assertRanked(found["hits"], everything[:10])
        self.assertFails("invalid_argument", "search", "--vector", probe, "--layer", LAYER)
        passed = self.search("--vector", probe, "--tensor", "other", "--layer", LAYER)
        self.assertEqual((passed["hits"], passed["conversations_passed_over"]), ([], 3))

        # What a restart leaves in memory is nothing: all of it comes from disk.
        self.daemon.stop()
        self.daemon.start()
        found = self.search(*by_position, "--top", 10)
        self.assertRanked(found["hits"], others[:10], "after a restart")
        self.assertEqual(self.daemon.status()["search"]["running"], 0)

        table = self.daemon.run("search", *by_position, "--top", 3).stdout
        self.assertIn(f"{others[0][0]:.4f}", table)
        self.assertIn(f"{len(others)} positions scored", table)

    def test_text_across_tokens(self):
        self.write("The ship came home")
        conversation = self.write("Nobody had seen the xylophone player")
        found = self.search("--text", "the xylophone play")
        self.assertEqual(found["found"], 1)
        hit = found["hits"][0]
        self.assertEqual(hit["conversation"], conversation)
        self.assertGreater(hit["tokens"], 1)
        self.assertIn("the xylophone play", hit["match"])
        self.assertNotIn("score", hit)
        fork = self.daemon.json("conversations", "fork", conversation, hit["position"] + 20)
        again = self.search("--text", "the xylophone play")
        self.assertEqual((again["found"], again["hits"][0]["shared_by"]), (1, 2), fork)
        ranked = self.search("--conversation", conversation, "--position", 1, "--layer", LAYER,
                             "--text", "the xylophone play")
        self.assertEqual(sorted(h["position"] for h in ranked["hits"]),
                         list(range(hit["position"], hit["position"] + hit["tokens"])))

    def test_mistakes_have_one_clear_error_each(self):
        conversation = self.write(PROMPT, 4)
        at = ("--conversation", conversation, "--position", 2)
        self.assertFails("invalid_argument", "search")
        self.assertFails("invalid_argument", "search", *at)
        self.assertFails("invalid_argument", "search", "--conversation", conversation)
        self.assertFails("out_of_range", "search", *at, "--layer", 99)
        self.assertFails("not_found", "search", *at, "--layer", LAYER, "--in", "0000000000000")
        self.assertFails("io_error", "search", "--vector", "/nowhere.npy", "--layer", LAYER)
        self.assertFails("invalid_argument", "search", *at, "--layer", LAYER, "--top", 100000)


if __name__ == "__main__":
    unittest.main()
