#!/usr/bin/env python3
"""Writes tokenizer.json from llama2.c's tok512.bin, a SentencePiece vocabulary
of 512 tokens, as byte-level BPE that decodes alike, and cuts ASCII alike.
Arguments: TOK512.BIN [DIRECTORY=.]

A token's score is its rank: two tokens join where their bytes are a token, the
best-scored first. A character of its own token goes by that token, so the byte
token of the same byte keeps its SentencePiece name and is never made. The
vocabulary has no room for the bytes between a character of three and its parts,
so the 14 tokens beyond ASCII are decoded and never made either.
"""
import json
import struct
import sys
from pathlib import Path


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (chr(256 + i) for i in range(256))
    return [chr(b) if b in plain else next(others) for b in range(256)]


def read_tokens(path):
    raw = Path(path).read_bytes()
    at = 4
    while at < len(raw):
        score, length = struct.unpack_from("<fi", raw, at)
        at += 8
        yield score, raw[at:at + length]
        at += length


def main():
    source = sys.argv[1]
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    alphabet = byte_alphabet()
    tokens = list(read_tokens(source))
    names = {0: "<unk>", 1: "<s>", 2: "</s>"}
    pieces = {t: i for i, (_, t) in enumerate(tokens) if i > 258}
    vocabulary = {}
    for i, (_, content) in enumerate(tokens):
        if i in names:
            vocabulary[names[i]] = i
        elif i < 259:
            byte = bytes([i - 3])
            name = f"<0x{i - 3:02X}>" if byte in pieces else alphabet[i - 3]
            vocabulary[name] = i
        else:
            vocabulary["".join(alphabet[b] for b in content)] = i
    spelled = {i: name for name, i in vocabulary.items()}
    merges = [(spelled[pieces[text[:cut]]], spelled[pieces[text[cut:]]])
              for text in sorted(pieces, key=lambda t: -tokens[pieces[t]][0])
              for cut in range(1, len(text))
              if text[:cut] in pieces and text[cut:] in pieces]
    special = [{"id": i, "content": name, "single_word": False,
                "lstrip": False, "rstrip": False, "normalized": False,
                "special": True} for i, name in names.items()]
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True,
                          "trim_offsets": True, "use_regex": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1],
                                       "tokens": ["<s>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                    "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocabulary,
                  "merges": merges}}
    (folder / "tokenizer.json").write_text(
        json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    print(len(vocabulary), "tokens,", len(merges), "merges")


if __name__ == "__main__":
    main()
