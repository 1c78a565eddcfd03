"""A CLIP pass with random ViT-B/32 weights: Curate against the best hand-written loop on the same cores."""

import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.contest import Contestant, compare, curate, python
from benchmarks.data import BENCH, tars
from benchmarks.light import cells

__all__ = ["main"]

OUT = BENCH / "clip"
TARS, ROWS, ROUNDS = 4, 400, 3


def main(rounds: int = ROUNDS) -> None:
    """Print samples per second past start-up of the recipe `benchmarks.recipes.match` and of the loop."""
    shutil.rmtree(OUT, ignore_errors=True)
    weights, tiny, full = random_weights(), tars(2, rows=8), tars(TARS, rows=ROWS)
    recipe, chosen = "benchmarks/recipes.py:match", f"weights={weights}"
    print(f"CLIP pass: {TARS} tars of {ROWS} samples, ViT-B/32 with random weights, {rounds} rounds")
    compare(
        [
            Contestant(
                "Curate",
                lambda n: curate(recipe, tiny, OUT / f"tiny-{n}", chosen),
                lambda n: curate(recipe, full, OUT / f"full-{n}", chosen),
            ),
            Contestant(
                "loop",
                lambda _: python("benchmarks.clip_loop", OUT / "tiny-loop", weights, *tiny),
                lambda _: python("benchmarks.clip_loop", OUT / "loop", weights, *full),
            ),
        ],
        TARS * ROWS,
        rounds,
    )
    print(agreement(OUT / "full-0", OUT / "loop"))


def random_weights() -> Path:
    """Return a file of random ViT-B/32 weights, made once; in a process of its own, as torch keeps its memory."""
    path = BENCH / "vit-b-32-random.safetensors"
    if not path.exists():
        BENCH.mkdir(parents=True, exist_ok=True)
        made = (
            "import open_clip, torch, safetensors.torch as s; torch.manual_seed(0); "
            f"s.save_file(open_clip.create_model('ViT-B-32').state_dict(), {str(path) + '.part'!r})"
        )
        subprocess.run([*python("x")[:1], "-c", made], check=True)
        path.with_name(path.name + ".part").rename(path)
    return path


def agreement(dataset: Path, out: Path) -> str:
    """Say how far the scores of both lie apart; they decode at another scale and cut texts at other lengths."""
    ours = cells(dataset, "clip")["clip_score"].drop_null()
    theirs = pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("*.parquet")))["clip_score"].drop_null()
    apart = pc.mean(pc.abs(pc.subtract(ours, theirs))).as_py()
    return f"scored by Curate {len(ours):,}, by the loop {len(theirs):,}; scores are {apart:.5f} apart on average"


if __name__ == "__main__":
    main()
