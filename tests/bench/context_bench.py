#!/usr/bin/env python3
"""What a long context costs, on GPT-2's shape (12 layers of 768, random
weights), through the daemon:

- one more token after 128 to 8,192 positions, and how much of it is attention;
- the first token of the second and of the twentieth turn of a conversation;
- the gaps between the tokens of two sessions, alone and while prompts of 4,000
  tokens are prefilled beside them.

    context_bench.py BIN_DIRECTORY [DTYPE=bfloat16]

Needs numpy.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness import Daemon  # noqa: E402

LENGTHS = (128, 1024, 4096, 8192)
TOKENS = 48
ROUNDS = 3


def seconds(daemon):
    return daemon.status()["models"]["long"]["engine"]["seconds"]


def generate(daemon, prompt, tokens, *arguments, conversation=None):
    return daemon.generate(prompt, "--max-new-tokens", tokens, *arguments, model="long",
                           conversation=conversation)


def one_more_token(daemon):
    """The cache is filled by a turn of its own, so that a turn of two chunks
    and the tokens is what is measured."""
    print("positions  ms a token  attention ms  the rest ms", flush=True)
    for length in LENGTHS:
        whole, attention = [], []
        for i in range(ROUNDS):
            id_ = generate(daemon, f"{length} {i} ".ljust(length - 32, "x"), 1, "--no-capture")["conversation"]
            generate(daemon, "y" * 31, 1, "--no-capture", conversation=id_)
            before = seconds(daemon)
            turn = generate(daemon, "z", TOKENS, "--no-capture", conversation=id_)
            after = seconds(daemon)
            whole.append(1e3 / turn["tokens_per_second"])
            attention.append(1e3 * (after["attention"] - before["attention"]) / (TOKENS + 2))
            daemon.json("conversations", "delete", id_)
        a, b = statistics.median(whole), statistics.median(attention)
        print(f"{length:9}  {a:10.2f}  {b:12.2f}  {a - b:11.2f}", flush=True)


def first_tokens(daemon):
    times = {2: [], 20: []}
    for i in range(ROUNDS):
        id_ = generate(daemon, f"{i} ".ljust(64, "a"), 32)["conversation"]
        for turn in range(2, 21):
            done = generate(daemon, f"{turn}".ljust(32, "b"), 32, conversation=id_)
            if turn in times:
                times[turn].append(done["first_token_ms"])
        daemon.json("conversations", "delete", id_)
    a, b = (statistics.median(times[t]) for t in (2, 20))
    print(f"first token of turn 2: {a:.1f} ms, of turn 20: {b:.1f} ms, ratio {b / a:.2f}", flush=True)


def gaps(daemon):
    def measured():
        done = daemon.run("--json", "bench", "sessions", "--sessions", 2, "--clickers", 0,
                          "--seconds", 12, "--lens", "none", "--tokens", 256)
        return json.loads(done.stdout)["gap_ms"]

    alone = measured()
    over = threading.Event()
    ids = []

    def prompts():
        while not over.is_set():
            ids.append(generate(daemon, f"{len(ids)} ".ljust(4000, "p"), 1, "--no-capture")["conversation"])

    beside = threading.Thread(target=prompts)
    beside.start()
    busy = measured()
    over.set()
    beside.join()
    for name, gap in (("alone", alone), (f"beside {len(ids)} prompts of 4,000", busy)):
        print(f"between tokens, {name}: p50 {gap['p50']:.1f} ms, p99 {gap['p99']:.1f} ms, "
              f"longest {gap['longest']:.1f} ms", flush=True)
    for id_ in ids:
        daemon.json("conversations", "delete", id_)


def main():
    dtype = sys.argv[2] if len(sys.argv) > 2 else "bfloat16"
    with tempfile.TemporaryDirectory(prefix="lamina-model-") as scratch:
        subprocess.run([sys.executable, ROOT / "tests/bench/make_model.py", scratch + "/model", "--context",
                        "9000", "--dtype", dtype], check=True)
        with Daemon(sys.argv[1], models=[f"long={scratch}/model"]) as daemon:
            one_more_token(daemon)
            first_tokens(daemon)
            gaps(daemon)


if __name__ == "__main__":
    main()
