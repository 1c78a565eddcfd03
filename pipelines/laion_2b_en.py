"""LAION-2B-en: English pairs above a cosine of 0.28."""

from curate.experts.clip import Clip
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_characters import CaptionCharacters
from filters.language_in import LanguageIn
from filters.min_clip_score import MinClipScore
from filters.min_image_bytes import MinImageBytes

__all__ = ["laion_2b_en"]


def laion_2b_en(
    scorer: Clip = Clip("ViT-B-32-quickgelu", Weights("openai")),
    minimum: float = 0.28,
    languages: tuple[str, ...] = ("en",),
    min_characters: int = 5,
    min_image_bytes: int = 5_000,
) -> Pipeline:
    """Keep English pairs that match, as LAION-5B chose its English part (Schuhmann et al. 2022, arXiv 2210.08402).

    From the paper: texts of less than 5 characters (`min_characters`) and images of less than 5 KB (`min_image_bytes`,
    read as 5,000) are dropped, and pairs whose cosine by OpenAI's ViT-B/32, `scorer`, is below 0.28 (`minimum`). It is
    also the `laion2b` baseline of DataComp (arXiv 2304.14108), which has the cosine and the language only: set the
    other two to 1. `languages` are told by fastText's lid.176, where the paper and DataComp use CLD3: on short texts
    they differ.

    Left out: the multilingual parts (0.26 by another CLIP for all other languages), parsing Common Crawl,
    deduplication by URL and text during the crawl, and the tags for NSFW and watermarks, which drop nothing there.
    """
    return Pipeline(
        [
            TextFacts(lower_capitals=False),
            CaptionCharacters(min_characters),
            LanguageIn(languages, min_confidence=0.0),
            MinImageBytes(min_image_bytes),
            scorer,
            MinClipScore(minimum, f"{scorer.prefix}clip_score"),
        ]
    )
