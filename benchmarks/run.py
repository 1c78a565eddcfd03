"""All benchmarks, one after another; docs/benchmarks.md says what the figures mean."""

import os
import platform
import subprocess

from benchmarks import captions, clip, growth, light

__all__ = ["main"]


def main() -> None:
    """Print machine, commit and load, then every table."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"commit {commit.strip() or 'unknown'}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load}"
    )
    for benchmark in (light, clip, growth, captions):
        print(flush=True)
        benchmark.main()


if __name__ == "__main__":
    main()
