"""Prints 100 MB, with a metric on each thousandth line."""

import sys

if __name__ == "__main__":
    noise = "x" * 999 + "\n"
    for step in range(100):
        sys.stdout.write(noise * 999)
        sys.stdout.write(f"loss={step}".ljust(999) + "\n")
