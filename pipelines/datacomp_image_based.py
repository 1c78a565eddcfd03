"""DataComp's image-based filter: clusters that ImageNet's training images fall into."""

from curate.corpus.clusters import Clusters
from curate.corpus.reference_clusters import ReferenceClusters
from curate.experts.clip import Clip
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_characters import CaptionCharacters
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.reference_hit import ReferenceHit

__all__ = ["datacomp_image_based"]


def datacomp_image_based(
    references: Weights | None = None,
    centroids: Weights | None = None,
    clusters: int = 100_000,
    scorer: Clip = Clip("ViT-L-14-quickgelu", Weights("openai")),
    languages: tuple[str, ...] = ("en",),
) -> Pipeline:
    """Keep pairs whose image is like one of ImageNet: the `image-based` baseline of DataComp.

    From the paper (Gadre et al. 2023, arXiv 2304.14108) and its code: the text is English (`languages`, by fastText),
    of more than 1 word and more than 5 characters; the images that are left are clustered by OpenAI's ViT-L/14,
    `scorer`, into 100,000 `clusters`, and an image is kept if its nearest centroid is the nearest of at least one
    reference.

    `references` is a file of embeddings by the same model, which must be given: for the paper's filter those of
    ImageNet-1k's training images, as `.npy` or Parquet; `curate query` writes one from any dataset (ReferenceClusters
    says how). `centroids` is such a file too, DataComp's own for one (`numpy.save("c.npy", torch.load(F).numpy())`);
    without it they are trained on the pool, on about 2 million of its embeddings, where the reference code takes all up
    to the medium scale, 30 % of the large and 3 % of the extra large pool (`reference_clusters.clusters.sample_rows`).

    Left out: the intersection with the CLIP filter, which is `datacomp_1b`; embeddings of DataComp's metadata (here
    they are measured). Words are pieces between white space of any kind; fastText's own split knows ASCII's.
    """
    trained = Clusters(f"{scorer.prefix}clip_embedding", clusters)
    return Pipeline(
        [
            TextFacts(lower_capitals=False),
            LanguageIn(languages, min_confidence=0.0),
            CaptionWords(2, column="text_spaced_words"),
            CaptionCharacters(6),
            scorer,
            ReferenceClusters(references, trained, centroids),
            ReferenceHit(),
        ]
    )
