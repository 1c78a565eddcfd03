"""Every search for near-duplicates beside its rivals, in one go: hashes, texts, embeddings.

    python -m benchmarks.near_duplicates [--rivals PYTHON]

PYTHON is an interpreter with what benchmarks/rivals.txt lists; without it only ours is measured. Some 15 minutes on two
cores with rivals, 6 without.
"""

import argparse
import subprocess

from benchmarks.contest import python

__all__ = ["main"]


def main() -> None:
    """Run the three benchmarks, each at its size, then ours from a quarter of it to four times it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals")
    rivals = parser.parse_args().rivals
    beside = ["--rivals", rivals] if rivals else ["--only", "ours"]
    for name, options in (
        ("hashes", beside),
        ("texts", beside),
        ("texts", ["--growth"]),
        ("semantic", beside),
        ("semantic", ["--growth"]),
    ):
        print(f"\n{name} {' '.join(options)}", flush=True)
        subprocess.run(python(f"benchmarks.{name}", *options), check=True)


if __name__ == "__main__":
    main()
