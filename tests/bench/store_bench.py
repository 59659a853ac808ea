#!/usr/bin/env python3
"""What the store takes in and gives back: sizes, ingest and clicks.

    store_bench.py BIN_DIRECTORY [--shapes 12x768:4096,32x4096:512,80x8192:192]
                   [--qualities lossless,high,balanced,small] [--json]

A shape is LAYERSxWIDTH:TOKENS. For each shape and quality a daemon of its own,
on a directory of its own: brought activations in bfloat16, until durable; then
one position of all layers, and one with 15 before it, from memory, from disk
with a warm page cache, and (as root) from disk without it. `MB/s core` is raw
megabytes a second of the daemon's processor time, all threads together. Bytes
are those by which the file grew, page rounding included.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness import Daemon  # noqa: E402

CACHES = pathlib.Path("/proc/sys/vm/drop_caches")
SHAPES = "12x768:4096,32x4096:512,80x8192:192"
QUALITIES = "lossless,high,balanced,small"


def drop_page_cache():
    subprocess.run(["sync"], check=True)
    try:
        CACHES.write_text("3")
        return True
    except OSError:
        return False


def processor_seconds(pid):
    """User and system time of all threads of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench(daemon, *arguments):
    done = subprocess.run([daemon.bin_dir / "store_bench", daemon.endpoint, *map(str, arguments)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def file_bytes(daemon):
    return sum(f.stat().st_blocks * 512 for f in daemon.state.rglob("data.mdb"))


def measure(bin_dir, layers, width, tokens, quality):
    row = {"shape": f"{layers}x{width}", "quality": quality, "tokens": tokens}
    with Daemon(bin_dir) as daemon:
        empty = file_bytes(daemon)
        before = processor_seconds(daemon.process.pid)
        put = bench(daemon, "put", layers, width, quality, tokens)
        spent = processor_seconds(daemon.process.pid) - before
        row["mb_per_1000_tokens"] = (file_bytes(daemon) - empty) / tokens / 1000
        row["raw_mb_per_1000_tokens"] = put["raw_bytes"] / tokens / 1000
        row["mb_s_wall"] = put["raw_bytes"] / 1e6 / put["seconds"]
        row["mb_s_core"] = put["raw_bytes"] / 1e6 / spent
        for before_it, what in ((0, "one"), (15, "sixteen")):
            row[f"memory_{what}"] = bench(daemon, "click", put["conversation"], before_it)
        for before_it, what in ((0, "one"), (15, "sixteen")):
            daemon.stop()
            daemon.start()
            row[f"warm_{what}"] = bench(daemon, "click", put["conversation"], before_it)
            daemon.stop()
            dropped = drop_page_cache()
            daemon.start()
            if dropped:
                row[f"cold_{what}"] = bench(daemon, "click", put["conversation"], before_it)
    return row


def click_cells(row, what):
    cells = []
    for tier in ("memory", "warm", "cold"):
        clicks = row.get(f"{tier}_{what}")
        cells.append(f"{clicks['p50_ms']:.2f} / {clicks['p99_ms']:.2f}" if clicks else "-")
    return cells


def table(rows):
    print("| shape | quality | MB per 1,000 tokens (raw) | ingest MB/s, wall | MB/s core | "
          "position: memory, ms p50 / p99 | warm disk | cold disk | with 15 before: memory | "
          "warm disk | cold disk |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['shape']} | {row['quality']} | {row['mb_per_1000_tokens']:.1f} "
              f"({row['raw_mb_per_1000_tokens']:.0f}) | {row['mb_s_wall']:.0f} | "
              f"{row['mb_s_core']:.0f} | " + " | ".join(click_cells(row, "one")
                                                       + click_cells(row, "sixteen")) + " |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("bin_directory", type=pathlib.Path)
    arguments.add_argument("--shapes", default=SHAPES)
    arguments.add_argument("--qualities", default=QUALITIES)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    rows = []
    for shape in given.shapes.split(","):
        size, tokens = shape.split(":")
        layers, width = map(int, size.split("x"))
        for quality in given.qualities.split(","):
            rows.append(measure(given.bin_directory.resolve(), layers, width, int(tokens), quality))
            print(json.dumps(rows[-1]) if given.json else f"{shape} {quality}: done",
                  file=sys.stdout if given.json else sys.stderr, flush=True)
    if not given.json:
        table(rows)


if __name__ == "__main__":
    main()
