"""Writes rubbish to the report pipe, and good lines in between; the last line has no end."""

import os

GOOD = b'{"step":1,"metrics":{"loss":0.5}}\n'

if __name__ == "__main__":
    os.write(3, b"hello\n" + GOOD)
    os.write(3, os.urandom(1000).replace(b"\n", b"").replace(b"\r", b"") + b"\n" + GOOD)
    os.write(3, b'[1, 2]\n{"step": "a", "metrics": {}}\n{"step": 1}\n{"step": 1, "metrics": {"a": []}}\n')
    for _ in range(160):
        os.write(3, b"y" * 65536)
    os.write(3, b"\n" + GOOD + b'{"step": 2, "metr')
