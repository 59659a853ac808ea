#!/usr/bin/env python3
"""Writes nfc_tables.cpp from Python's own copy of the Unicode database.

Run it with a Python whose `unicodedata` has the version that PCRE2 has too
(Unicode 14 in Debian 12: Python 3.11), so that both sides of the tokenizer
agree about which characters exist.
"""
import sys
import unicodedata
from pathlib import Path

HANGUL = range(0xAC00, 0xD7A4)  # composed by arithmetic, not by table


def pairs():
    for c in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(c)).split()
        if not parts or parts[0].startswith("<") or c in HANGUL:
            continue
        first, second = (int(p, 16) for p in (parts + ["0"])[:2])
        whole = chr(first) + chr(second)
        composes = second and unicodedata.normalize("NFC", whole) == chr(c)
        yield "{0x%X, 0x%X, 0x%X, %s}" % (
            c, first, second, "true" if composes else "false")


def ranges():
    begin = 0
    for c in range(1, sys.maxunicode + 2):
        before = unicodedata.combining(chr(c - 1))
        now = unicodedata.combining(chr(c)) if c <= sys.maxunicode else None
        if now != before:
            if before:
                yield "{0x%X, 0x%X, %d}" % (begin, c - 1, before)
            begin = c


def table(kind, name, rows):
    rows = list(rows)
    body = ",\n    ".join(rows)
    return (f"constexpr {kind} {name}_table[] = {{\n    {body}}};\n")


def main():
    version = unicodedata.unidata_version
    out = (f"// Made by make_nfc_tables.py from Unicode {version}. Do not "
           "edit.\n"
           '#include "actors/model/tokenizer/nfc.hpp"\n\n'
           "namespace lamina {\n\nnamespace {\n\n// clang-format off\n"
           + table("canonical_pair", "canonical_pairs", pairs()) + "\n"
           + table("combining_range", "combining_ranges", ranges())
           + "// clang-format on\n\n}  // namespace\n\n"
           "const std::span<const canonical_pair> canonical_pairs =\n"
           "    canonical_pairs_table;\n"
           "const std::span<const combining_range> combining_ranges =\n"
           "    combining_ranges_table;\n\n"
           "}  // namespace lamina\n")
    target = Path(__file__).with_name("nfc_tables.cpp")
    target.write_text(out, encoding="ascii")


if __name__ == "__main__":
    main()
