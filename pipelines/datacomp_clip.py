"""DataComp's CLIP filter: the top 30 % by the score of ViT-L/14."""

from curate.corpus.rank_fraction import RankFraction
from curate.experts.clip import Clip
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.max_rank_frac import MaxRankFrac

__all__ = ["datacomp_clip"]


def datacomp_clip(
    scorer: Clip = Clip("ViT-L-14-quickgelu", Weights("openai")),
    fraction: float = 0.3,
) -> Pipeline:
    """Keep the pairs that match best: the `CLIP score (L/14 30%)` baseline of DataComp.

    From the paper (Gadre et al. 2023, arXiv 2304.14108): OpenAI's ViT-L/14 scores every pair of the pool, and the
    best `fraction`, 0.3, is kept: exactly `int(n * 0.3)` of n pairs with a score, equal ones by uid. The reference
    code takes the score at that index as a threshold and so keeps one more, and all that are equal to it. No rule on
    language, caption or size: those are the baseline `datacomp_basic`. `scorer` may be another scorer; the paper's
    ViT-B/32 variant keeps cosines of 0.25 or more instead: `laion_2b_en` with `-p minimum=0.25` and its other rules
    taken out.

    Left out: the scores that DataComp's metadata holds already (here they are measured), and its other baselines, but
    `datacomp_basic`, `datacomp_image_based` and `datacomp_1b`.
    """
    return Pipeline(
        [
            scorer,
            RankFraction(f"{scorer.prefix}clip_score", prefix="clip_"),
            MaxRankFrac("clip_rank_frac", fraction),
        ]
    )
