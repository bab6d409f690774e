#!/usr/bin/env python3
"""Compares two folders of make.sh bit by bit: every array of every artefact by name, and every image's pixels.

    Benchmarks/bits/compare.py BEFORE AFTER

The arrays are compared, not the files: their metadata may differ (a schema's number). Exit status 1 when any bit moved.
Uses nothing beyond Python's standard library.
"""
import json
import struct
import sys
import zlib
from pathlib import Path


def arrays(path):
    """The arrays of a safetensors file: name to (element type, shape, bytes)."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: (entry["dtype"], tuple(entry["shape"]), body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def pixels(path):
    """A PNG's header and its filtered lines: text chunks, which name the model's digest, are left out."""
    data = path.read_bytes()
    position, kept, lines = 8, b"", b""
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        if kind == b"IHDR":
            kept = body
        elif kind == b"IDAT":
            lines += body
        position += 12 + length
    return kept, zlib.decompress(lines)


def compare(before, after, read):
    one, two = read(before), read(after)
    if isinstance(one, dict):
        return [f"{name}" for name in sorted(one.keys() | two.keys()) if one.get(name) != two.get(name)], len(one)
    return ([] if one == two else ["pixels"]), 1


def main():
    before, after = map(Path, sys.argv[1:3])
    moved = 0
    for pattern, read in (("*.safetensors", arrays), ("*/images/*/*.png", pixels)):
        for path in sorted(before.glob(pattern)):
            name = path.relative_to(before)
            if not (after / name).exists():
                print(f"{name}: missing in {after}")
                moved += 1
                continue
            differ, count = compare(path, after / name, read)
            moved += len(differ)
            if differ or pattern == "*.safetensors":
                print(f"{name}: {count - len(differ)} of {count} equal" + "".join(f"\n  differs: {d}" for d in differ))
    total = len(list(before.glob("*/images/*/*.png")))
    print(f"{total} images compared; " + ("every bit is equal" if moved == 0 else f"{moved} differences"))
    sys.exit(1 if moved else 0)


main()
