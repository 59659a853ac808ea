#!/usr/bin/env python3
"""Records what Hugging Face `tokenizers` does with hostile strings, for GPT-2's
own vocabulary under the pipelines of GPT-2, Llama 3 and Qwen. Run in a fresh
environment, as make_vectors.py:

    venv/bin/python make_hostile.py

Reads gpt2/merges.txt (the vocabulary follows from it: bytes, merges in order,
"<|endoftext|>") and writes hostile.tsv: the text in hex, then for each pipeline
the FNV-1a hash (64 bits) of its ids, little-endian 32 bits each: with special
tokens as text, a separator of all ones, and with special tokens parsed. The
pipelines' tokenizer.json, without vocabulary and merges, go to NAME.json.
"""
import json
import random
from pathlib import Path

import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors)

from make_vectors import HOSTILE, LITERALS, LLAMA3_WORDS, POOLS

HERE = Path(__file__).resolve().parent
COUNT = 2400

QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """GPT-2's printable stand-in for each byte, in the order of its ids."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]


def vocabulary_and_merges():
    lines = (HERE / "gpt2/merges.txt").read_text(encoding="utf-8").split("\n")
    merges = [tuple(line.split(" ")) for line in lines[1:] if line]
    words = byte_alphabet() + [a + b for a, b in merges] + ["<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}, merges


def special(content):
    return AddedToken(content, normalized=False, special=True)


def gpt2(vocabulary, merges):
    tok = Tokenizer(models.BPE(vocabulary, merges))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.add_special_tokens([special("<|endoftext|>")])
    return tok


def split_by(expression):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(expression), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def llama3(vocabulary, merges):
    tok = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    tok.pre_tokenizer = split_by(LLAMA3_WORDS)
    tok.add_special_tokens([special(t) for t in (
        "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
        "<|end_header_id|>", "<|eot_id|>")])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(
            single="<|begin_of_text|> $A",
            pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
            special_tokens=[("<|begin_of_text|>",
                             tok.token_to_id("<|begin_of_text|>"))])])
    return tok


def qwen(vocabulary, merges):
    tok = Tokenizer(models.BPE(vocabulary, merges))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = split_by(QWEN_WORDS)
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.add_special_tokens([special(t) for t in (
        "<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tok.add_tokens([AddedToken(t, normalized=False)
                    for t in ("<tool_call>", "</tool_call>", "<think>")])
    return tok


NAMES = LITERALS + ["<|begin_of_text|>", "<|eot_id|>", "<|im_start|>user\n",
                    "<|im_end|>", "<tool_call>", "</tool_call>", "<think>"]
RUNS = ["a", " ", "\n", "\r\n", "\t", "é", "的", "👍🏽", "👨‍👩‍👧", "\u0301", "\0",
        "0", "!", "'s", " x", "ab", "\u200d", "\u202e", "\u3000", "ﷺ", "ا"]


def anywhere(rng):
    """Any code point but surrogates: most of them are unassigned."""
    c = rng.choice((rng.randint(0, 0xFFFF), rng.randint(0x10000, 0x1FFFF),
                    rng.randint(0x20000, 0x10FFFF)))
    return "x" if 0xD800 <= c < 0xE000 else chr(c)


def random_text(rng):
    out = ""
    for _ in range(rng.randint(1, 9)):
        kind = rng.random()
        if kind < 0.15:
            out += rng.choice(NAMES)
        elif kind < 0.4:
            out += "".join(anywhere(rng) for _ in range(rng.randint(1, 4)))
        elif kind < 0.47:
            out += rng.choice(RUNS) * rng.randint(2, 40)
        else:
            pool = rng.choice(POOLS)
            out += "".join(rng.choice(pool) for _ in range(rng.randint(1, 8)))
    return out


def texts():
    rng = random.Random(23)
    kept = dict.fromkeys(HOSTILE + [run * 500 for run in RUNS])
    while len(kept) < COUNT:
        kept[random_text(rng)] = None
    return list(kept)


def digest(ids):
    h = 0xCBF29CE484222325
    for i in ids:
        for byte in i.to_bytes(4, "little"):
            h = (h ^ byte) * 0x100000001B3 % 2**64
    return "%016x" % h


def both_ways(tok, text):
    ids = []
    for parse_special in (False, True):
        tok.encode_special_tokens = not parse_special
        ids += tok.encode(text, add_special_tokens=False).ids
        ids += [] if parse_special else [0xFFFFFFFF]
    return ids


def main():
    vocabulary, merges = vocabulary_and_merges()
    pipelines = {make.__name__: make(vocabulary, merges)
                 for make in (gpt2, llama3, qwen)}
    for name, tok in pipelines.items():
        document = json.loads(tok.to_str())
        document["model"]["vocab"] = {}
        document["model"]["merges"] = []
        (HERE / f"{name}.json").write_text(
            json.dumps(document, ensure_ascii=False, indent=1) + "\n",
            encoding="utf-8")
    rows = ["# tokenizers " + tokenizers.__version__ + "; text in hex, then "
            "hashes of " + ", ".join(pipelines)]
    for text in texts():
        rows.append("\t".join([text.encode().hex()] + [
            digest(both_ways(tok, text)) for tok in pipelines.values()]))
    (HERE / "hostile.tsv").write_text("\n".join(rows) + "\n")
    print(len(rows) - 1, "texts")


if __name__ == "__main__":
    main()
