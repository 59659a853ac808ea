#!/usr/bin/env python3
"""Runs the benchmarks that need a daemon, and prints their tables.

    run.py BIN_DIRECTORY [click|capture|decode|codec|search|store ...]

click    lens and activations of one position, from memory, from disk with a
         warm page cache, and (as root) after dropping it
capture  a GPT-2-small-sized llama with random weights: the cost of keeping
         everything, in bfloat16 and float32
decode   the engine alone, without daemon and store
codec    encode and decode rates
search   a layer of stored history, against the codec's decode rate
store    brought activations of three models' shapes (store_bench.py)
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from harness import Daemon  # noqa: E402

CACHES = pathlib.Path("/proc/sys/vm/drop_caches")


def drop_page_cache():
    subprocess.run(["sync"], check=True)
    try:
        CACHES.write_text("3")
        return True
    except OSError:
        return False


def click(bin_dir):
    with Daemon(bin_dir) as daemon:
        def bench(*arguments):
            subprocess.run([bin_dir / "click_bench", daemon.endpoint, *map(str, arguments)], check=True)

        bench("prepare", 8, 900)
        print("from memory:", flush=True)
        bench("click", 5)
        daemon.stop()
        daemon.start()
        print("after a restart (page cache warm):", flush=True)
        bench("click", 1)
        daemon.stop()
        if drop_page_cache():
            daemon.start()
            print("after a restart and without the page cache:", flush=True)
            bench("click", 1)


def make_model(directory, dtype):
    subprocess.run([sys.executable, ROOT / "tests/bench/make_model.py", directory, "--dtype", dtype],
                   check=True)
    return directory


def capture(bin_dir):
    for dtype in ("bfloat16", "float32"):
        with tempfile.TemporaryDirectory(prefix="lamina-model-") as model:
            make_model(model, dtype)
            with Daemon(bin_dir, models=(f"gpt2size={model}",)) as daemon:
                print(f"GPT-2-small-sized llama, {dtype}:", flush=True)
                subprocess.run([bin_dir / "lamina", "--endpoint", daemon.endpoint, "bench", "capture",
                                "--tokens", "128", "--rounds", "5"], check=True)


def decode(bin_dir):
    for dtype in ("bfloat16", "float32"):
        with tempfile.TemporaryDirectory(prefix="lamina-model-") as model:
            make_model(model, dtype)
            print(f"GPT-2-small-sized llama, {dtype}:", flush=True)
            subprocess.run([bin_dir / "decode_bench", model], check=True, env={"OMP_WAIT_POLICY": "passive"})


def codec(bin_dir):
    subprocess.run([bin_dir / "codec_bench"], check=True)


def search(bin_dir):
    subprocess.run([bin_dir / "search_bench"], check=True)


def store(bin_dir):
    subprocess.run([sys.executable, ROOT / "tests/bench/store_bench.py", bin_dir], check=True)


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    benches = {"click": click, "capture": capture, "decode": decode, "codec": codec,
               "search": search, "store": store}
    for name in sys.argv[2:] or benches:
        if name not in benches:
            sys.exit(f"no benchmark '{name}'; there are: {', '.join(benches)}")
        print(f"== {name}", flush=True)
        benches[name](bin_dir)


if __name__ == "__main__":
    main()
