"""Writes a Hugging Face llama directory with random weights, for benchmarks:
right in shape and size, meaningless in content. Needs numpy only.

The weights go to the file tensor by tensor, so that memory stays small. The
default is the size of GPT-2 small. tokenizer.json is byte-level without
merges; ids past the bytes are fillers.

    make_model.py DIRECTORY [--layers 12] [--width 768] [--heads 12]
        [--kv-heads 4] [--ffn 2048] [--vocab 32000] [--dtype bfloat16]
        [--context 1024] [--seed 0]
"""
import argparse
import json
import os
import struct

import numpy as np

ROWS_AT_ONCE = 4096


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (chr(256 + i) for i in range(256))
    return [chr(b) if b in plain else next(others) for b in range(256)]


def tokenizer(size):
    words = ["<|endoftext|>"] + byte_alphabet()
    words += [f"<{i}>" for i in range(len(words), size)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False,
                  "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": 0, "content": words[0], "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}],
        "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {word: i for i, word in enumerate(words)},
                  "merges": []},
    }


def shapes(a):
    """Tensor names and shapes, in the order of the file."""
    head_dim = a.width // a.heads
    q, kv = a.heads * head_dim, a.kv_heads * head_dim
    yield "model.embed_tokens.weight", (a.vocab, a.width)
    for layer in range(a.layers):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", (a.width,)
        yield at + "self_attn.q_proj.weight", (q, a.width)
        yield at + "self_attn.k_proj.weight", (kv, a.width)
        yield at + "self_attn.v_proj.weight", (kv, a.width)
        yield at + "self_attn.o_proj.weight", (a.width, q)
        yield at + "post_attention_layernorm.weight", (a.width,)
        yield at + "mlp.gate_proj.weight", (a.ffn, a.width)
        yield at + "mlp.up_proj.weight", (a.ffn, a.width)
        yield at + "mlp.down_proj.weight", (a.width, a.ffn)
    yield "model.norm.weight", (a.width,)


def stored(values, dtype):
    """Bytes of float32 values as the file keeps them; bfloat16 rounds to the
    nearest, ties to even."""
    if dtype == "float32":
        return values.astype("<f4").tobytes()
    bits = values.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()


def write_weights(a, path):
    element = 4 if a.dtype == "float32" else 2
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes(a):
        size = element * int(np.prod(shape))
        header[name] = {"dtype": "F32" if element == 4 else "BF16",
                        "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(a.seed)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, shape in shapes(a):
            if len(shape) == 1:
                out.write(stored(np.ones(shape, np.float32), a.dtype))
                continue
            scale = np.float32(shape[1] ** -0.5)
            for first in range(0, shape[0], ROWS_AT_ONCE):
                rows = min(ROWS_AT_ONCE, shape[0] - first)
                values = random.standard_normal((rows, shape[1]), np.float32)
                out.write(stored(values * scale, a.dtype))


def config(a):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "vocab_size": a.vocab, "hidden_size": a.width,
        "intermediate_size": a.ffn, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads,
        "head_dim": a.width // a.heads, "hidden_act": "silu",
        "max_position_embeddings": a.context, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "rope_scaling": None, "attention_bias": False,
        "mlp_bias": False, "tie_word_embeddings": True,
        "torch_dtype": a.dtype, "bos_token_id": 0, "eos_token_id": None,
    }


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("directory")
    p.add_argument("--layers", type=int, default=12)
    p.add_argument("--width", type=int, default=768)
    p.add_argument("--heads", type=int, default=12)
    p.add_argument("--kv-heads", type=int, default=4)
    p.add_argument("--ffn", type=int, default=2048)
    p.add_argument("--vocab", type=int, default=32000)
    p.add_argument("--dtype", choices=["float32", "bfloat16"],
                   default="bfloat16")
    p.add_argument("--context", type=int, default=1024)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    if a.width % a.heads or a.heads % a.kv_heads:
        p.error("heads must divide width, and kv-heads must divide heads")
    if a.vocab < 257:
        p.error("the vocabulary must hold the 256 bytes and one end token")
    return a


def main():
    a = arguments()
    os.makedirs(a.directory, exist_ok=True)
    for name, content in (("config.json", config(a)),
                          ("tokenizer.json", tokenizer(a.vocab))):
        with open(os.path.join(a.directory, name), "w") as out:
            json.dump(content, out, ensure_ascii=False)
    write_weights(a, os.path.join(a.directory, "model.safetensors"))


if __name__ == "__main__":
    main()
