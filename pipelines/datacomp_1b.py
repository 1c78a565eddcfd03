"""DataComp-1B: the image-based filter and the top 30 % by CLIP, both."""

from curate.corpus.clusters import Clusters
from curate.corpus.rank_fraction import RankFraction
from curate.corpus.reference_clusters import ReferenceClusters
from curate.experts.clip import Clip
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_characters import CaptionCharacters
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.max_rank_frac import MaxRankFrac
from filters.reference_hit import ReferenceHit

__all__ = ["datacomp_1b"]


def datacomp_1b(
    references: Weights | None = None,
    centroids: Weights | None = None,
    clusters: int = 100_000,
    scorer: Clip = Clip("ViT-L-14-quickgelu", Weights("openai")),
    fraction: float = 0.3,
    languages: tuple[str, ...] = ("en",),
) -> Pipeline:
    """Keep pairs that match best and look like ImageNet: how DataComp-1B was chosen from 12.8 billion pairs.

    From the paper (Gadre et al. 2023, arXiv 2304.14108): the intersection of its two best baselines, the top
    `fraction`, 0.3, of the whole pool by OpenAI's ViT-L/14, `scorer`, as in `datacomp_clip`, and the image-based filter
    with its rules for captions, `languages`, 100,000 `clusters`, `centroids` and `references`, as in
    `datacomp_image_based`, where these are described; `references` must be given. Ranks are those of the whole pool,
    before any other rule; centroids are trained on what the rules for captions leave.

    Left out: what both recipes leave out.
    """
    trained = Clusters(f"{scorer.prefix}clip_embedding", clusters)
    return Pipeline(
        [
            scorer,
            RankFraction(f"{scorer.prefix}clip_score", prefix="clip_"),
            TextFacts(lower_capitals=False),
            LanguageIn(languages, min_confidence=0.0),
            CaptionWords(2, column="text_spaced_words"),
            CaptionCharacters(6),
            ReferenceClusters(references, trained, centroids),
            MaxRankFrac("clip_rank_frac", fraction),
            ReferenceHit(),
        ]
    )
