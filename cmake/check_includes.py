#!/usr/bin/env python3
"""Checks who includes whom (docs/architecture.md) by reading #include lines.

    python3 cmake/check_includes.py              the tree around this script
    python3 cmake/check_includes.py --root DIR   another tree
    python3 cmake/check_includes.py --self-test  proves each rule on a made-up
                                                 tree

Prints each violation as file:line: rule. Exit: 0 clean, 1 violations.
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

ROOMS_TOP = ("protocol", "actors", "daemon", "client", "tests")
SUFFIXES = {".hpp", ".cpp", ".h", ".cc", ".ipp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Libraries under actors/ and the libraries each may include. Anything else is
# a violation until it is drawn here and in docs/architecture.md.
LIBRARY_EDGES = {
    "chunks": set(),
    "codec": {"chunks"},
    "store": {"chunks"},
    "lens": {"chunks"},
    "model": {"chunks", "lens", "model/tokenizer"},
    "model/tokenizer": set(),
    "cache": {"chunks"},
    "generations": {"chunks"},
    "search": {"chunks", "codec"},
    "measure": {"chunks", "codec"},
    "audit": {"chunks", "codec"},
}
# Folders of the actors themselves: they count as files directly in actors/.
ACTOR_ROOMS = {"messages"}
# Single headers that cross where a whole library may not.
HEADER_EDGES = {
    ("cache", "actors/store/records.hpp"),
    ("cache", "actors/store/eviction.hpp"),
    ("generations", "actors/store/records.hpp"),
    ("search", "actors/store/records.hpp"),
    ("audit", "actors/store/records.hpp"),
    ("audit", "actors/store/contents.hpp"),
}

# Third-party families: name -> beginnings of their include paths.
FAMILIES = {
    "torch": ("torch/", "ATen/", "c10/", "caffe2/"),
    "lmdb": ("lmdb.h",),
    "zstd": ("zstd.h", "zstd_errors.h", "zdict.h"),
    "caf": ("caf/",),
    "asio": ("boost/asio.hpp", "boost/asio/", "boost/beast.hpp",
             "boost/beast/"),
    "boost": ("boost/",),
    "cli11": ("CLI/",),
    "fmt": ("fmt/",),
    "nlohmann": ("nlohmann/",),
    "flatbuffers": ("flatbuffers/",),
}
CLIENT_FAMILIES = {"boost", "asio", "cli11", "fmt", "nlohmann"}


def library_of(path):
    """The library under actors/ that a path belongs to; None for others."""
    parts = path.split("/")
    if parts[0] != "actors" or len(parts) < 3 or parts[1] in ACTOR_ROOMS:
        return None
    nested = "/".join(parts[1:3])
    return nested if nested in LIBRARY_EDGES and len(parts) > 3 else parts[1]


def families_of(header):
    return {name for name, starts in FAMILIES.items()
            if any(header == s or (s.endswith("/") and header.startswith(s))
                   for s in starts)}


def third_party_faults(path, header):
    """Rules about other people's headers."""
    room, library, used = path.split("/")[0], library_of(path), families_of(
        header)
    tests = room == "tests"
    if "torch" in used and not tests and not path.startswith("actors/model/"):
        yield "torch only under actors/model/"
    if "torch" in used and library == "model/tokenizer":
        yield "the tokenizer knows no torch"
    if "lmdb" in used and not tests and library != "store":
        yield "lmdb.h only in actors/store/"
    if "zstd" in used and not tests and library != "codec":
        yield "zstd only in actors/codec/"
    if "caf" in used and room == "actors" and library:
        yield "libraries under actors/ know no CAF"
    if "caf" in used and room in ("protocol", "client"):
        yield f"{room}/ knows no CAF"
    if "asio" in used and room == "protocol":
        yield "protocol/ knows no Asio"
    if "asio" in used and room == "actors":
        yield "Asio only in daemon/ and client/"


def client_fault(header, angled):
    """The client is thin: protocol/, itself, and a short list."""
    if angled and "/" not in header and "." not in header:
        return None  # the standard library
    if families_of(header) & CLIENT_FAMILIES:
        return None
    if angled and (header.startswith(("sys/", "netinet/", "arpa/", "openssl/"))
                   or "/" not in header):
        third_party = families_of(header)
        return f"client/ knows no {min(third_party)}" if third_party else None
    if header.startswith(("protocol/", "client/")):
        return None
    return "client/ includes only protocol/, client/, Boost, CLI11, fmt and " \
           "nlohmann"


def own_faults(path, header):
    """Rules about our own rooms. `header` begins with one of them."""
    room, target = path.split("/")[0], header.split("/")[0]
    library, other = library_of(path), library_of(header)
    if room == "protocol" and target != "protocol":
        yield f"protocol/ includes nothing of {target}/"
    if room == "daemon" and target not in ("daemon", "actors", "protocol"):
        yield f"daemon/ includes nothing of {target}/"
    if room == "actors" and target not in ("actors", "protocol"):
        yield f"actors/ includes nothing of {target}/"
    if room != "tests" and target == "tests":
        yield "only tests/ includes tests/"
    if library and target == "actors":
        if other is None:
            yield (f"the library actors/{library}/ does not know the actors")
        elif library not in LIBRARY_EDGES:
            yield f"actors/{library}/ is not in the table of libraries"
        elif other != library and other not in LIBRARY_EDGES[library] and (
                library, header) not in HEADER_EDGES:
            yield f"actors/{library}/ does not include actors/{other}/"


def check_line(path, header, angled):
    faults = list(third_party_faults(path, header))
    if header.startswith(tuple(r + "/" for r in ROOMS_TOP)) and not angled:
        faults += own_faults(path, header)
    if path.startswith("client/"):
        fault = client_fault(header, angled)
        if fault and not faults:
            faults.append(fault)
    return faults


def check_tree(root):
    found = []
    for room in ROOMS_TOP:
        for file in sorted((root / room).rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    found += [f"{path}:{number}: {fault}" for fault in
                              check_line(path, match[2], match[1] == "<")]
    return found


# Each rule once broken and once kept: (file, include line, part of the
# complaint or None).
SELF_TEST = [
    ("actors/model/a.cpp", "<torch/torch.h>", None),
    ("tests/unit/model/a.cpp", "<torch/torch.h>", None),
    ("actors/lens/a.cpp", "<torch/torch.h>", "torch only"),
    ("actors/model/tokenizer/a.cpp", "<ATen/ATen.h>", "no torch"),
    ("daemon/a.cpp", "<c10/core/Device.h>", "torch only"),
    ("actors/store/a.cpp", "<lmdb.h>", None),
    ("actors/cache/a.cpp", "<lmdb.h>", "lmdb.h only"),
    ("actors/codec/a.cpp", "<zstd.h>", None),
    ("actors/store/b.cpp", "<zstd.h>", "zstd only"),
    ("actors/session.cpp", "<caf/actor.hpp>", None),
    ("daemon/b.cpp", "<caf/actor.hpp>", None),
    ("actors/store/c.cpp", "<caf/actor.hpp>", "no CAF"),
    ("actors/model/tokenizer/b.cpp", "<caf/actor.hpp>", "no CAF"),
    ("protocol/a.cpp", "<caf/actor.hpp>", "no CAF"),
    ("protocol/b.cpp", "<boost/asio.hpp>", "no Asio"),
    ("protocol/c.cpp", "<boost/outcome/try.hpp>", None),
    ("protocol/d.cpp", '"actors/chunks/digest.hpp"', "nothing of actors/"),
    ("actors/shard.cpp", "<boost/asio/post.hpp>", "Asio only"),
    ("client/cpp/a.cpp", '"protocol/error.hpp"', None),
    ("client/cli/b.cpp", '"client/cpp/a.hpp"', None),
    ("client/cli/c.cpp", "<boost/asio.hpp>", None),
    ("client/cli/d.cpp", "<CLI/CLI.hpp>", None),
    ("client/cli/e.cpp", "<unistd.h>", None),
    ("client/cli/f.cpp", "<vector>", None),
    ("client/cpp/g.cpp", '"actors/chunks/digest.hpp"', "client/ includes"),
    ("client/cpp/h.cpp", "<spdlog/spdlog.h>", "client/ includes"),
    ("client/cpp/i.cpp", "<lmdb.h>", "lmdb.h only"),
    ("client/cpp/j.cpp", "<caf/actor.hpp>", "no CAF"),
    ("actors/codec/d.cpp", '"actors/chunks/digest.hpp"', None),
    ("actors/chunks/a.cpp", '"actors/codec/codec.hpp"', "does not include"),
    ("actors/lens/b.cpp", '"actors/model/model.hpp"', "does not include"),
    ("actors/model/b.cpp", '"actors/lens/lens.hpp"', None),
    ("actors/model/c.cpp", '"actors/store/store.hpp"', "does not include"),
    ("actors/model/tokenizer/c.cpp", '"actors/model/model.hpp"',
     "does not include"),
    ("actors/model/tokenizer/d.cpp", '"actors/model/tokenizer/x.hpp"', None),
    ("actors/cache/b.cpp", '"actors/store/records.hpp"', None),
    ("actors/cache/c.cpp", '"actors/store/store.hpp"', "does not include"),
    ("actors/search/a.cpp", '"actors/codec/codec.hpp"', None),
    ("actors/search/b.cpp", '"actors/store/records.hpp"', None),
    ("actors/search/c.cpp", '"actors/store/store.hpp"', "does not include"),
    ("actors/store/d.cpp", '"actors/view.hpp"', "know the actors"),
    ("actors/store/e.cpp", '"actors/messages/disk.hpp"', "know the actors"),
    ("actors/messages/a.hpp", '"actors/store/store.hpp"', None),
    ("actors/messages/b.hpp", "<caf/actor_addr.hpp>", None),
    ("actors/messages/c.hpp", "<torch/torch.h>", "torch only"),
    ("actors/novel/a.cpp", '"actors/chunks/digest.hpp"', "not in the table"),
    ("actors/model/arch/a.cpp", '"actors/model/model.hpp"', None),
    ("actors/request.cpp", '"daemon/main.hpp"', "nothing of daemon/"),
    ("daemon/c.cpp", '"actors/messages/session.hpp"', None),
    ("daemon/d.cpp", '"client/cpp/client.hpp"', "nothing of client/"),
    ("daemon/e.cpp", '"tests/unit/x.hpp"', "tests/"),
    ("tests/e2e/a.cpp", '"client/cpp/client.hpp"', None),
]


def self_test():
    wrong = []
    for path, include, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(f"// first\n  #  include {include}  // why\n")
            found = check_tree(Path(folder))
        if expected is None:
            good = not found
        else:
            good = len(found) >= 1 and found[0].startswith(
                f"{path}:2: ") and any(expected in f for f in found)
        if not good:
            wrong.append(f"{path} {include}: expected {expected}, got {found}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path,
                        default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    found = self_test() if arguments.self_test else check_tree(arguments.root)
    print("\n".join(found) if found else "include rules: clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
