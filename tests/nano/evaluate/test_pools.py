import json

import numpy as np
import pytest

from curate.selection.bucket_files import read_plan
from curate.selection.utility import Bucket, Law, compare_pools, pool_error
from nano.evaluate import pools
from nano.evaluate.pools import BUCKET_SAMPLES, CHECKPOINTS, Pairs, report, train

pytest.importorskip("torch")
WORDS = 24  # one for each kind of image


@pytest.fixture(scope="module")
def world():
    """Images that are noise around one of 24 directions, with a text that is the number of its direction."""
    generator = np.random.default_rng(0)
    directions = generator.normal(size=(WORDS, 32)).astype(np.float32)

    def draw(n):
        kinds = np.arange(n) % WORDS
        images = directions[kinds] + generator.normal(scale=0.3, size=(n, 32)).astype(np.float32)
        words = np.zeros((n, 40), np.int64)
        words[:, 0] = 1 + kinds
        return Pairs(images, words)

    return draw


def test_a_model_learns_clean_pairs_and_the_same_seed_learns_the_same(world, monkeypatch):
    monkeypatch.setattr(pools, "AMONG", 8)
    bucket, test = world(BUCKET_SAMPLES), world(64)
    errors = train([bucket], test, 0, CHECKPOINTS[4])
    assert len(errors) == 5
    assert errors[-1] < errors[0]
    assert errors[-1] < 0.3
    assert train([bucket], test, 0, CHECKPOINTS[2]) == errors[:3]


def test_a_report_predicts_pools_from_buckets_alone(tmp_path):
    law = Law(0.5, 0.05, BUCKET_SAMPLES)
    buckets = [Bucket(str(i), BUCKET_SAMPLES, b, 4.0) for i, b in enumerate((-0.4, -0.35, -0.3, -0.2))]
    alone = np.array([[[pool_error([bucket], law, n) for n in CHECKPOINTS] for bucket in buckets]])
    together = np.array([[[pool_error(buckets[: i + 1], law, n) for n in CHECKPOINTS] for i in range(4)]])
    report(tmp_path, alone, together)
    rows = json.loads((tmp_path / "pools.json").read_text())["budgets"]
    assert [row["samples_seen"] for row in rows] == list(CHECKPOINTS)
    assert all(row["predicted"] == pytest.approx(row["measured"], abs=2e-4) for row in rows)
    assert all(row["predicted_best"] == row["measured_best"] for row in rows)
    plan = read_plan(tmp_path / "buckets.json")
    assert compare_pools(plan.buckets, plan.law, CHECKPOINTS[1])[0].error == pytest.approx(
        rows[1]["predicted"][0], abs=1e-4
    )
