"""A curriculum after SAIL-VL: tiers of rising difficulty, complexity and relevance."""

from curate.corpus.rank_fraction import RankFraction
from curate.engines.chat_model import ChatModel
from curate.experts.curriculum_judge import CurriculumJudge
from curate.experts.curriculum_tier import CurriculumTier
from curate.experts.image_facts import ImageFacts
from curate.pipeline import Pipeline
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["sail_curriculum"]


def sail_curriculum(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    text: str = "alt_text",
    score: str = "curriculum_score",
    shares: tuple[float, ...] = (21.0, 12.0, 3.5),
    longest_side_px: int = 448,
) -> Pipeline:
    """Judge pairs by difficulty, complexity and relevance, and cut them into tiers of a curriculum.

    From SAIL-VL (arXiv 2501.05952): training goes through three stages of 21M, 12M and 3.5M samples (knowledge,
    instruction, preference), `shares`, whose means rise in all three scores, each 1 to 5: difficulty 1.90, 2.15, 2.20;
    complexity 2.44, 2.62, 2.74; image-text relevance 3.94, 4.45, 4.55. `engine` judges the column `text` beside the
    image, whose longest side is at most `longest_side_px`; samples are ranked by `score`, the lowest first, and cut.
    `curate export out tiers --by curriculum_tier` writes a set of shards for each tier and says the means of each. The
    mean of `score` rises by construction, those of the three axes only as far as the data have them rise together.

    Ours: prompt and anchors of the judge, the mean of its three scores, and cutting one pool, where the paper's stages
    are datasets of three kinds. Left out: those datasets; the hardest samples alone teach worse, says the paper, so
    train the tiers in order. No pair is dropped by a score; broken, tiny and animated images are.
    """
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            NotAnimated(),
            CurriculumJudge(engine.build(), text=text, longest_side_px=longest_side_px),
            RankFraction(score, highest_first=False, prefix="curriculum_"),
            CurriculumTier("curriculum_rank_frac", shares),
        ]
    )
