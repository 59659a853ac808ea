#!/usr/bin/env python3
"""A conversation of 10,000 tokens of GPT-2's shape (12 layers of 768, random
weights): memory stays within its budgets, and a click at the end costs what a
click at the beginning does.

    long_conversation.py BIN_DIRECTORY [TOKENS]

Clicks are interleaved, and the daemon's own time for each is taken (took_us),
so that the command line's start does not count. Needs numpy.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness import Daemon  # noqa: E402

MEMORY_MB, IN_FLIGHT_MB, KV_MB = 32, 64, 512
ANSWER = 16


def make_model(directory, context):
    subprocess.run([sys.executable, ROOT / "tests/bench/make_model.py", directory, "--vocab", "2048",
                    "--context", str(context)], check=True)


def clicks(daemon, conversation, places, rounds):
    """Median microseconds for each list of positions; the sources seen."""
    took, sources = [[] for _ in places], set()
    for i in range(rounds):
        for times, positions in zip(took, places):
            lens = daemon.json("lens", conversation, positions[i % len(positions)])
            times.append(lens["took_us"])
            sources.add(lens["source"])
    return [statistics.median(t) for t in took], sources


def show(what, daemon, conversation, places, rounds):
    (early, late), sources = clicks(daemon, conversation, places, rounds)
    print(f"{what}: {early:.0f} us at the beginning, {late:.0f} us at the end, ratio {late / early:.2f} "
          f"({', '.join(sorted(sources))})", flush=True)


def main():
    bin_dir, tokens = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory() as scratch:
        make_model(scratch + "/model", tokens + 64)
        settings = pathlib.Path(scratch, "lamina.yaml")
        settings.write_text(f"cache: {{memory: {{max_size_mb: {MEMORY_MB}}}, prefetch: {{enabled: false}}}}\n"
                            f"in_flight_mb: {IN_FLIGHT_MB}\nkv_cache_mb: {KV_MB}\n")
        with Daemon(bin_dir, models=[f"long={scratch}/model"], arguments=["--config", settings]) as daemon:
            run(daemon, tokens)


def run(daemon, tokens):
    print(f"resident before: {daemon.resident_bytes() / 2**20:.0f} MB", flush=True)
    prompt = ("The sea was calm that night, and nobody spoke. " * (tokens // 40 + 1))[:tokens - ANSWER]
    began, peak, held = time.monotonic(), 0, 0
    turn = subprocess.Popen(
        daemon.command("generate", "--model", "long", "--max-new-tokens", ANSWER, "--lens", "on_demand",
                       "--wait-durable", prompt), stdout=subprocess.DEVNULL)
    while turn.poll() is None:
        peak = max(peak, daemon.resident_bytes())
        shards = daemon.status()["memory"]["shards"]
        held = max(held, sum(s["bytes"] for s in shards))
        time.sleep(0.2)
    if turn.returncode != 0:
        raise RuntimeError("the turn failed")
    conversation = daemon.json("conversations", "list")["conversations"][0]["id"]
    print(f"{tokens} tokens until durable: {time.monotonic() - began:.0f} s; resident at most "
          f"{peak / 2**20:.0f} MB; memory tier at most {held / 2**20:.1f} of {MEMORY_MB} MB", flush=True)
    places = [range(1, 17), range(tokens - 17, tokens - 1)]
    show("first click (computed from stored rows)", daemon, conversation, places, 16)
    show("from memory", daemon, conversation, places, 64)
    daemon.stop()
    daemon.start()
    show("after a restart, from disk", daemon, conversation, [[1], [tokens - 17]], 1)
    show("then from memory", daemon, conversation, places, 64)
    print(f"file: {daemon.status()['store']['file_bytes'] / 2**20:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
