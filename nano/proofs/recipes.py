"""Recipes for the proofs, as a user writes them: the quickstart's rules and models, for a pool of pairs.

curate run nano/proofs/recipes.py:filtered --input 'out/proofs/pool/world-*.tar' --dataset out/proofs/pairs
"""

from pathlib import Path
from typing import Final

from curate.corpus.rank_fraction import RankFraction
from curate.experts.clip import Clip
from curate.experts.curriculum_tier import CurriculumTier
from curate.experts.image_facts import ImageFacts
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.min_clip_score import MinClipScore
from filters.no_boilerplate import NoBoilerplate

__all__ = ["filtered", "raw", "tiers"]

NANO: Final = Path("nano/clip")


def raw() -> Pipeline:
    """Measure and keep everything."""
    return Pipeline([TextFacts(), ImageFacts()])


def filtered(min_clip_score: float = 0.6) -> Pipeline:
    """Keep what the quickstart keeps of pairs: three words or more, no boilerplate, English, a text that matches."""
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            CaptionWords(3, 150),
            NoBoilerplate(),
            LanguageIn(("en",), min_confidence=0.0),
            _clip(),
            MinClipScore(min_clip_score),
        ]
    )


def tiers(
    score: str = "clip_score", highest_first: bool = False, shares: tuple[float, ...] = (21.0, 12.0, 3.5)
) -> Pipeline:
    """Cut the pool into tiers of a curriculum by one score, as `sail_curriculum` does; nothing is dropped."""
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            _clip(),
            RankFraction(score, highest_first=highest_first, prefix="curriculum_"),
            CurriculumTier("curriculum_rank_frac", shares),
        ]
    )


def _clip() -> Clip:
    weights = Weights(str(NANO / "nano-clip.safetensors"))
    return Clip(str(NANO / "nano-clip.json"), weights, resize="squash")
