"""Writes tokenizer.json for a golden model that has none: byte-level, no
merges, ids 0-2 special, 3-258 the 256 bytes, the rest fillers such as "<300>".
Arguments: DIRECTORY [VOCABULARY=512]"""
import json
import os
import sys


def byte_alphabet():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (chr(256 + i) for i in range(256))
    return [chr(b) if b in plain else next(others) for b in range(256)]


def tokenizer(size):
    special = ["<pad>", "<s>", "</s>"]
    words = special + byte_alphabet()
    words += [f"<{i}>" for i in range(len(words), size)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": text, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for i, text in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                          "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True,
                    "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {word: i for i, word in enumerate(words)},
                  "merges": []},
    }


if __name__ == "__main__":
    directory = sys.argv[1]
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    with open(os.path.join(directory, "tokenizer.json"), "w") as out:
        json.dump(tokenizer(size), out, ensure_ascii=False)
