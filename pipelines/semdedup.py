"""SemDeDup: drop images that are nearly another one of their cluster."""

from curate.corpus.clusters import Clusters
from curate.corpus.semantic_duplicates import SemanticDuplicates
from curate.experts.clip import Clip
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.max_semantic_cosine import MaxSemanticCosine

__all__ = ["semdedup"]


def semdedup(
    scorer: Clip = Clip("ViT-B-32-quickgelu", Weights("openai")),
    clusters: int = 50_000,
    epsilon: float = 0.05,
    key: str = "cluster_cosine",
    highest_first: bool = False,
) -> Pipeline:
    """Keep one of each group of images that mean the same: SemDeDup (Abbas et al. 2023, arXiv 2303.09540).

    From the paper: embeddings by a pretrained CLIP, `scorer`; k-means into 50,000 `clusters` for LAION-440M; inside a
    cluster a pair is a duplicate if its cosine is over 1 - `epsilon`; of duplicates the one farthest from the centroid
    is kept. Samples of a cluster come in the order of `key`, and each goes that is too near to one before it:
    `key=clip_score` with `highest_first=true` keeps the pair that matches best instead.

    Ours: `epsilon`; the paper chooses it by the share of the data that is to stay, so try several: another one compares
    nothing again. DenseFusion-1M (arXiv 2407.08303) has 0.4. Left out: choosing epsilon for a wanted share.
    """
    return Pipeline(
        [
            scorer,
            Clusters(f"{scorer.prefix}clip_embedding", clusters),
            SemanticDuplicates(f"{scorer.prefix}clip_embedding", key=key, highest_first=highest_first),
            MaxSemanticCosine(1 - epsilon),
        ]
    )
