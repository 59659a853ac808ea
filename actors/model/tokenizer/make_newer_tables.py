#!/usr/bin/env python3
"""Writes newer_unicode.cpp: characters that Hugging Face `tokenizers` sorts
into a general category and that PCRE2 does not know yet.

Run it with a Python whose `unicodedata` has the version that PCRE2 has too
(Unicode 14 in Debian 12: Python 3.11), and `tokenizers` installed. It asks the
library itself which characters match \\p{Lu}, \\p{Ll}, ...
"""
import sys
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import Regex, pre_tokenizers

CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po "
              "Sm Sc Sk So").split()


def members(category):
    keep = pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed",
                                invert=True)
    for base in range(0, sys.maxunicode + 1, 4096):
        text = "".join(chr(c) for c in range(base, base + 4096)
                       if not 0xD800 <= c < 0xE000)
        for piece, _ in keep.pre_tokenize_str(text):
            yield from map(ord, piece)


def ranges(category):
    begin = last = None
    for c in members(category):
        if unicodedata.category(chr(c)) == category:
            continue
        if last is not None and c == last + 1:
            last = c
            continue
        if begin is not None:
            yield begin, last
        begin = last = c
    if begin is not None:
        yield begin, last


def main():
    rows = ['{"%s", 0x%X, 0x%X}' % (category, first, last)
            for category in CATEGORIES for first, last in ranges(category)]
    out = (f"// Made by make_newer_tables.py: what tokenizers "
           f"{tokenizers.__version__} knows beyond\n"
           f"// Unicode {unicodedata.unidata_version}. Do not edit.\n"
           '#include "actors/model/tokenizer/newer_unicode.hpp"\n\n'
           "namespace lamina {\n\nnamespace {\n\n// clang-format off\n"
           "constexpr newer_range table[] = {\n    " + ",\n    ".join(rows)
           + "};\n// clang-format on\n\n}  // namespace\n\n"
           "const std::span<const newer_range> newer_ranges = table;\n\n"
           "}  // namespace lamina\n")
    target = Path(__file__).with_name("newer_unicode.cpp")
    target.write_text(out, encoding="ascii")


if __name__ == "__main__":
    main()
