#!/usr/bin/env python3
"""The engine beside llama.cpp on the same weights: a made llama of GPT-2-small
size (make_model.py), written as GGUF for the other, both in turns, medians.

    llama_cpp.py BIN_DIRECTORY [--llama-bench "COMMAND"] [--rounds 3]
                 [--scratch DIRECTORY [--scratch-there DIRECTORY]]

COMMAND is how llama-bench is called (default: llama-bench). Where it runs in
another root, as in "chroot /srv/sid llama-bench", --scratch is a directory
below that root and --scratch-there the same one as seen from inside.

GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3.
Needs numpy.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENS = 64
PROMPT = 512

UINT32, FLOAT32, STRING = 4, 6, 8  # types of metadata
TENSOR_TYPES = {"F32": 0, "BF16": 30}
FILE_TYPES = {"F32": 0, "BF16": 32}
ALIGNMENT = 32

NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
OF_LAYER = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
            "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
            "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
            "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    name = name.removesuffix(".weight")
    if name not in NAMES:
        _, _, layer, part = name.split(".", 3)
        return f"blk.{layer}.{OF_LAYER[part]}.weight"
    return NAMES[name] + ".weight"


def text(words):
    return struct.pack("<Q", len(words)) + words.encode()


def entry(key, kind, value):
    packed = text(value) if kind == STRING else struct.pack("<f" if kind == FLOAT32 else "<I", value)
    return text(key) + struct.pack("<I", kind) + packed


def metadata(c, dtype):
    heads = c["num_attention_heads"]
    numbers = {"context_length": c["max_position_embeddings"], "embedding_length": c["hidden_size"],
               "block_count": c["num_hidden_layers"], "feed_forward_length": c["intermediate_size"],
               "attention.head_count": heads, "attention.head_count_kv": c["num_key_value_heads"],
               "rope.dimension_count": c["hidden_size"] // heads, "vocab_size": c["vocab_size"]}
    entries = [entry("general.architecture", STRING, "llama"),
               entry("general.file_type", UINT32, FILE_TYPES[dtype]),
               entry("tokenizer.ggml.model", STRING, "no_vocab"),
               entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, c["rms_norm_eps"])]
    return entries + [entry("llama." + key, UINT32, value) for key, value in numbers.items()]


def tensors(weights):
    """Name, shape, type and bytes of each; vectors are float32 there."""
    size = struct.unpack_from("<Q", weights)[0]
    for name, t in json.loads(weights[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        content, dtype = weights[8 + size + begin:8 + size + end], t["dtype"]
        if len(t["shape"]) == 1 and dtype == "BF16":
            content = (np.frombuffer(content, np.uint16).astype(np.uint32) << 16).tobytes()
            dtype = "F32"
        yield gguf_name(name), t["shape"], dtype, content


def write_gguf(model, path):
    weights = (model / "model.safetensors").read_bytes()
    all_of_them = list(tensors(weights))
    dtype = next(t[2] for t in all_of_them if len(t[1]) == 2)
    entries = metadata(json.loads((model / "config.json").read_text()), dtype)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(all_of_them), len(entries)) + b"".join(entries)
    at = 0
    for name, shape, kind, content in all_of_them:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape),
                                         TENSOR_TYPES[kind], at)
        at += len(content) + -len(content) % ALIGNMENT
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % ALIGNMENT))
        for *_, content in all_of_them:
            out.write(content + bytes(-len(content) % ALIGNMENT))


def ours(bin_dir, model):
    said = subprocess.run([bin_dir / "decode_bench", model, str(TOKENS), "no capture"], check=True,
                          capture_output=True, text=True, env={"OMP_WAIT_POLICY": "passive"}).stdout
    # The model as it is stored comes before its weights of eight bits.
    rates = [float(re.search(pattern, said)[1]) for pattern in
             (r"decode no capture +([\d.]+)", r"prefill \d+ tokens +([\d.]+)", r"memory read +([\d.]+)")]
    return rates


def theirs(command, gguf):
    said = subprocess.run([*command, "-m", gguf, "-p", str(PROMPT), "-n", str(TOKENS), "-r", "5", "-t",
                           str(os.cpu_count()), "-o", "json"], check=True, capture_output=True, text=True).stdout
    rows = {bool(row["n_gen"]): row["avg_ts"] for row in json.loads(said)}
    return [rows[True], rows[False]]


def compare(a, dtype, scratch):
    model = scratch / dtype
    subprocess.run([sys.executable, ROOT / "tests/bench/make_model.py", model, "--dtype", dtype], check=True)
    write_gguf(model, scratch / f"{dtype}.gguf")
    there = pathlib.Path(a.scratch_there or scratch) / f"{dtype}.gguf"
    mine, other = [], []
    for _ in range(a.rounds):
        mine.append(ours(a.bin_directory.resolve(), model))
        other.append(theirs(shlex.split(a.llama_bench), there))
    decode, prefill, read = (statistics.median(column) for column in zip(*mine))
    for what, rate, peer in zip(("decode", f"prompt of {PROMPT}"), (decode, prefill),
                                (statistics.median(column) for column in zip(*other))):
        print(f"{dtype}, {what}: {rate:.1f} tokens/s, llama.cpp {peer:.1f}, ratio {rate / peer:.2f}", flush=True)
    print(f"{dtype}, memory read: {read:.1f} GB/s", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("bin_directory", type=pathlib.Path)
    p.add_argument("--llama-bench", default="llama-bench")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--scratch", type=pathlib.Path)
    p.add_argument("--scratch-there")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="lamina-peer-", dir=a.scratch) as scratch:
        os.chmod(scratch, 0o755)
        if a.scratch_there:
            a.scratch_there += "/" + pathlib.Path(scratch).name
        for dtype in ("bfloat16", "float32"):
            compare(a, dtype, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
