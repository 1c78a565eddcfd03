"""The student of a distillation: a model that a teacher's rows trained describes what they did not teach."""

from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import NEUTRAL_V1
from curate.engines.chat_model import ChatModel
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.in_subset import InSubset
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.min_side import MinSide
from filters.not_animated import NotAnimated
from filters.not_in_subset import NotInSubset

__all__ = ["distil_student"]


def distil_student(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-2B-Instruct"),
    taught: str = "",
    detector: Weights = Weights("yolo11x.pt"),
    longest_side_px: int = 448,
) -> Pipeline:
    """Describe the images that no row taught, by the tuned model, and check its claims against what experts see.

    From DenseFusion-1M (arXiv 2407.08303): the captioner that learned from 100K images of a strong model describes the
    other 900K. From SAIL-VL (arXiv 2501.05952): the same with web text as knowledge, on 300M.

    `engine` is the student, such as `-p engine.model=./student`; it is asked with the neutral prompt that its rows were
    stored under, sees no hints, and images with their longest side at most `longest_side_px`. `taught` is the
    `subset.npy` of the rows: what it names is left out. `detector` and OCR see what the claims are checked against, as
    in `distil_teacher`, so `curate agreement` compares the two. Left out: hints for the student, which the paper's has.
    """
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            NotAnimated(),
            InSubset(Weights(taught) if taught else None, uid="curate"),
            NotInSubset(),
            Ocr(),
            Objects(detector),
            DenseCaption(engine.build(), NEUTRAL_V1[0], Hints(blocks=()), longest_side_px=longest_side_px),
            CaptionEvidence(),
        ]
    )
