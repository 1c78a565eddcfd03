"""Hold the texts that SFT learns to say against the truth of their own images.

    python -m nano.proofs.row_truth out/proofs/nano

Takes the folder of a scale, after `nano.proofs.sft` made its rows; prints a line for each set of them.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.inspect.query import query
from curate.storage.store import Store
from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.run import markdown
from nano.proofs.captions import CAPTIONED
from nano.world.annotation import Scene

__all__ = ["row_truth"]


def row_truth(out: Path) -> list[dict[str, Any]]:
    """Return the metrics of each set of rows under `out/rows`, pooled over its texts."""
    lines = [json.loads(line) for line in (out / "pool" / "truth.jsonl").read_text().splitlines()]
    scenes = {line["key"]: Scene.from_dict(line["scene"]) for line in lines}
    samples = query(Store(str(out / "densefusion")), "SELECT uid, key FROM samples").to_pylist()
    keys = {sample["uid"]: sample["key"] for sample in samples}
    found = []
    for name in CAPTIONED:
        rows = [row for path in (out / "rows" / name).glob("*.parquet") for row in _texts(path)]
        if rows:
            texts = {keys[uid]: text for uid, text in rows}
            found.append({"rows": name, **asdict(caption_metrics(texts, {key: scenes[key] for key in texts}))})
    return found


def _texts(path: Path) -> list[tuple[str, str]]:
    """Return the uid and the answer of each row."""
    rows = pq.read_table(path, columns=["uid", "completion"]).to_pylist()
    return [(row["uid"], row["completion"][0]["content"][0]["text"]) for row in rows]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    print(markdown(row_truth(parser.parse_args().out)))


if __name__ == "__main__":
    main()
