"""A pool for a training budget: the buckets of the CLIP score that scaling laws for data filtering choose."""

from pathlib import Path

from curate.corpus.rank_fraction import RankFraction
from curate.errors import PlanError
from curate.experts.clip import Clip
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.selection.bucket_files import read_plan
from curate.selection.utility import best_pool
from filters.rank_buckets import RankBuckets

__all__ = ["sldf_pool"]


def sldf_pool(
    buckets: str = "",
    samples_seen: int = 128_000_000,
    kept: tuple[int, ...] = (0, 1, 2, 3),
    fraction: float = 0.1,
    scorer: Clip = Clip("ViT-L-14-quickgelu", Weights("openai")),
) -> Pipeline:
    """Keep the buckets of a pool that a training budget asks for (Goyal et al. 2024, arXiv 2404.07177).

    From the paper: the pool is ranked by the score of OpenAI's ViT-L/14, `scorer`, and cut into buckets of 10 %,
    `fraction`, of which the best four, 0 to 3, were measured; which of them are best together depends on the samples
    that training will see, `samples_seen`. Utilities and half-lives of the buckets come from small runs of your own:
    `buckets` is the file of `curate pool` (docs/pools.md), whose first bucket is the top of the ranking, the second the
    next, and so on. Without it the buckets `kept` are kept: by default all four of the paper.

    Left out: T-MARS scores, the paper's other ranking (rank `masked_clip_score` as `tmars` does, and `RankBuckets`
    after it); the paper's fitted parameters, which are not in its code.
    """
    chosen = _chosen(Path(buckets), samples_seen) if buckets else kept
    return Pipeline(
        [
            scorer,
            RankFraction(f"{scorer.prefix}clip_score", prefix="clip_"),
            RankBuckets("clip_rank_frac", fraction, chosen),
        ]
    )


def _chosen(path: Path, samples_seen: int) -> tuple[int, ...]:
    """Return the numbers of the buckets of the best pool, by their place in the file."""
    if samples_seen < 1:
        raise PlanError(f"samples_seen={samples_seen}: give the samples that training will see, 1 or more")
    plan = read_plan(path)
    best = best_pool(plan.buckets, plan.law, samples_seen)
    return tuple(i for i, bucket in enumerate(plan.buckets) if bucket.name in best.buckets)
