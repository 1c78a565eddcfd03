"""Train small CLIP models on noisy pools of the nano world, to see whether the best pool moves with the budget.

python -m nano.evaluate.pools out/pools --seeds 3

A pool of scenes with alt texts as a poor crawl has them (`POOR`) is ranked by the nano CLIP's score and cut into
buckets of equal size, best first: the first is small and good, the next half good, the last worthless. A model of the
size of a probe learns from each bucket by itself: a linear map of the nano CLIP's image embedding and a bag-of-words
text tower, both from nothing, by the loss of CLIP. `curate.selection` fits utilities and half-lives to its errors after
1 to 64 passes. Then models see the best 1, 2, ... buckets together, for the same numbers of samples, and what the fit
predicted is held against what came out: pools are predicted from buckets alone. The error is that of finding a clean
caption for a scene among 32. A pass is 20 steps of small batches, so that models have left chance behind when samples
come again: the law knows no slow beginning. Writes `pools.json`, and `buckets.json`, which `curate pool` reads.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.selection.bucket_files import Plan, plan_text
from curate.selection.fit import Fit, Measured, Run, fit_buckets
from curate.selection.utility import Law, pool_error
from nano.evaluate.clip_scorer import ClipScorer
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import short_caption, web_alt_text

__all__ = ["main"]

FIRST_SCENE: Final = 6_000_000_000_000
FIRST_TEST_SCENE: Final = 6_500_000_000_000
BUCKETS: Final = 4
BUCKET_SAMPLES: Final = 400
POOR: Final = 0.4  # of the scenes have no alt text that describes them
DESCRIBING: Final = ("good", "dense")  # kinds of alt texts
TEST_SCENES: Final = 512
AMONG: Final = 32  # captions that a scene is looked for in
PASSES: Final = (1, 2, 4, 8, 16, 32, 64)  # over one bucket
CHECKPOINTS: Final = tuple(BUCKET_SAMPLES * passes for passes in PASSES)
WORDS: Final = 2_048  # rows of the text tower's table
BATCH: Final = 20
LEARNING_RATE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Pairs:
    """Image embeddings float32[n, d] with the rows of their words in the table, int64[n, w], 0 beyond the last."""

    images: npt.NDArray[np.float32]
    words: npt.NDArray[np.int64]


def main() -> None:
    """Run the experiment and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    buckets, test = make_buckets(), make_test()
    print("pool made", flush=True)
    alone, pools = [], []
    for seed in range(arguments.seeds):
        alone.append([train([bucket], test, seed, CHECKPOINTS[-1]) for bucket in buckets])
        print("alone", seed, alone[-1], flush=True)
        pools.append([train(buckets[: i + 1], test, seed, CHECKPOINTS[-1]) for i in range(BUCKETS)])
        print("pools", seed, pools[-1], flush=True)
    report(arguments.out, np.array(alone), np.array(pools))


def make_buckets() -> list[Pairs]:
    """Draw the pool, rank it by the nano CLIP, and cut it."""
    images, texts = [], []
    for i in range(BUCKETS * BUCKET_SAMPLES):
        image, scene = make_scene(FIRST_SCENE + i, (224, 224))
        images.append(image)
        texts.append(crawled(scene, random.Random(FIRST_SCENE + i)))
    scorer = ClipScorer.load()
    vectors = scorer.images(images)
    scores = (vectors * scorer.texts(texts)).sum(axis=1)
    order = np.argsort(-scores, kind="stable")
    words = _words(texts)
    return [Pairs(vectors[part], words[part]) for part in np.split(order, BUCKETS)]


def crawled(scene: Scene, rng: random.Random) -> str:
    """Write an alt text as a poor crawl has it."""
    poor = rng.random() < POOR
    while True:
        text, kind = web_alt_text(scene, rng)
        if not (poor and kind in DESCRIBING):
            return text


def make_test() -> Pairs:
    """Draw scenes that are in no pool, with true captions."""
    drawn = [make_scene(FIRST_TEST_SCENE + i, (224, 224)) for i in range(TEST_SCENES)]
    texts = [short_caption(scene, random.Random(FIRST_TEST_SCENE + i)) for i, (_, scene) in enumerate(drawn)]
    return Pairs(ClipScorer.load().images([image for image, _ in drawn]), _words(texts))


def _words(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    words = np.zeros((len(texts), 40), np.int64)
    for i, text in enumerate(texts):
        rows = [1 + _row(word) for word in text.lower().split()[:40]]
        words[i, : len(rows)] = rows
    return words


def _row(word: str) -> int:
    """Return a word's row in the table: the same on every machine."""
    import zlib

    return zlib.crc32(word.strip('.,:;"()').encode()) % WORDS


def train(buckets: Sequence[Pairs], test: Pairs, seed: int, longest: int) -> list[float]:
    """Return the test error at each checkpoint up to `longest` samples seen of the buckets together."""
    import torch

    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    images = np.concatenate([bucket.images for bucket in buckets])
    words = np.concatenate([bucket.words for bucket in buckets])
    image_tower, text_tower, scale = _model(images.shape[1])
    parameters = [*image_tower.parameters(), *text_tower.parameters(), scale]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=1e-4)
    errors, seen, rows = [], 0, np.empty(0, np.int64)
    while seen < longest:
        if len(rows) < BATCH:
            rows = np.concatenate([rows, order.permutation(len(images))])
        batch, rows = rows[:BATCH], rows[BATCH:]
        a = torch.nn.functional.normalize(image_tower(torch.from_numpy(images[batch])), dim=1)
        b = torch.nn.functional.normalize(text_tower(torch.from_numpy(words[batch])), dim=1)
        logits, target = scale.exp() * a @ b.T, torch.arange(len(batch))
        loss = torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.T, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += len(batch)
        if seen in CHECKPOINTS:
            errors.append(_error(image_tower, text_tower, test))
    return errors


def _model(dimension: int) -> tuple[Any, Any, Any]:
    import torch
    from torch import nn

    text_tower = nn.Sequential(nn.EmbeddingBag(WORDS + 1, 64, mode="mean", padding_idx=0), nn.Linear(64, 64))
    return nn.Linear(dimension, 64), text_tower, nn.Parameter(torch.tensor(2.0))


def _error(image_tower: Any, text_tower: Any, test: Pairs) -> float:
    """Return the share of scenes whose own caption is not the nearest of `AMONG`."""
    import torch

    with torch.inference_mode():
        a = torch.nn.functional.normalize(image_tower(torch.from_numpy(test.images)), dim=1).view(-1, AMONG, 64)
        b = torch.nn.functional.normalize(text_tower(torch.from_numpy(test.words)), dim=1).view(-1, AMONG, 64)
        nearest = (a @ b.transpose(1, 2)).argmax(dim=2)
        return float((nearest != torch.arange(AMONG)).float().mean())


def report(out: Path, alone: npt.NDArray[np.float64], pools: npt.NDArray[np.float64]) -> None:
    """Fit the buckets to the mean errors [seed, bucket, checkpoint], predict the pools, and write both."""
    names = [f"bucket {i + 1}" for i in range(BUCKETS)]
    measured = [
        Measured(name, BUCKET_SAMPLES, tuple(Run(n, float(e)) for n, e in zip(CHECKPOINTS, errors, strict=True)))
        for name, errors in zip(names, alone.mean(axis=0), strict=True)
    ]
    fit = fit_buckets(measured, Law(1.0, 0.0, BUCKET_SAMPLES), irreducible=True)
    rows = [_row_of(fit, n, pools.mean(axis=0)[:, i]) for i, n in enumerate(CHECKPOINTS)]
    for row in rows:
        print(row)
    everything = {
        "seeds": len(alone),
        "buckets": [[b.name, b.utility, b.half_life, rms] for b, rms in zip(fit.buckets, fit.rms_errors, strict=True)],
        "alone": {"samples_seen": CHECKPOINTS, "errors": alone.tolist()},
        "pools": {"samples_seen": CHECKPOINTS, "errors": pools.tolist()},
        "budgets": rows,
    }
    (out / "pools.json").write_text(json.dumps(everything, indent=1) + "\n")
    (out / "buckets.json").write_text(plan_text(Plan(fit.buckets, fit.law)))


def _row_of(fit: Fit, seen: int, errors: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return what was predicted and measured for one budget; pools are the first 1, 2, ... buckets of the ranking."""
    predicted = [pool_error(fit.buckets[: i + 1], fit.law, seen) for i in range(BUCKETS)]
    return {
        "samples_seen": seen,
        "predicted": [round(error, 4) for error in predicted],
        "measured": [round(float(error), 4) for error in errors],
        "predicted_best": int(np.argmin(predicted)) + 1,
        "measured_best": int(np.argmin(errors)) + 1,
    }


if __name__ == "__main__":
    main()
