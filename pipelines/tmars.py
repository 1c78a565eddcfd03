"""T-MARS: paint out the text in images, score again, keep the best."""

from curate.corpus.rank_fraction import RankFraction
from curate.experts.clip import Clip
from curate.experts.masked_clip import MaskedClip
from curate.experts.text_boxes import TextBoxes
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.max_rank_frac import MaxRankFrac

__all__ = ["tmars"]


def tmars(
    scorer: Clip = Clip("ViT-B-32-quickgelu", Weights("openai")),
    fraction: float = 0.3,
    side_px: int = 512,
) -> Pipeline:
    """Keep pairs that match without the text that the image shows: T-MARS (Maini et al. 2023, arXiv 2307.03132).

    From the paper: text is found at 512 px (`side_px`) and painted out; `scorer` scores the masked image against the
    original caption, and low scores go: nearly 40 % of LAION's images show text that overlaps with the caption, and
    where it is all that matched, a model learns to read and not to see. Exactly `int(n * fraction)` are kept, equal
    scores by uid. `clip_score`, of the image as it is, stands beside, so that both axes can be asked for with
    `curate query`.

    Ours: `fraction`, that of DataComp's CLIP filter, as the code beside the paper has none; PP-OCRv6 finds the text,
    where the paper has FAST, and the mean colour around a box fills it. Left out: the
    paper's combinations with other scores (C-SSFT, C-RHO) and its reading of the text.
    """
    return Pipeline(
        [
            TextBoxes(side_px=side_px),
            scorer,
            MaskedClip(scorer),
            RankFraction(f"{scorer.prefix}masked_clip_score", prefix="masked_"),
            MaxRankFrac("masked_rank_frac", fraction),
        ]
    )
