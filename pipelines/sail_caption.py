"""SAIL-Caption: captions from image and web text, and a judge that drops the poor ones."""

from curate.captions.prompting.hints import Hints
from curate.engines.chat_model import ChatModel
from curate.experts.caption_gate import caption_gate
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.pipeline import Pipeline
from filters.caption_accepted import CaptionAccepted
from filters.caption_clean import CaptionClean
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["sail_caption"]


def sail_caption(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    judge: ChatModel | None = None,
    calibration: str = "",
    uncalibrated: bool = False,
    longest_side_px: int = 448,
) -> Pipeline:
    """Caption images with their alt text as world knowledge, score them by VIR and ITA, drop below 3 on either.

    From SAIL-VL (arXiv 2501.05952): the captioner sees the image and the alt text. From SAIL-VL2 (arXiv 2509.14033):
    visual information richness and image-text alignment, 1 to 5; a caption below 3 on either is dropped, 300M to 250M.
    The paper trains its judges on 500K scored captions (precision/recall 0.916/0.903 for ITA, 0.983/0.975 for VIR) and
    finds models that were not trained for it unusable (0.436/0.994 and 0.823/0.560). So the gate opens only with
    `calibration`, a file of `curate calibrate sail_caption ...` in which this very judge reaches 0.9 on both axes, for
    what it keeps and for what it drops; `uncalibrated=true` takes any judge as it is.

    `engine` writes; `judge` is a model of its own, none: `engine` judges its own captions. Both see the image with its
    longest side at most `longest_side_px`. Left out: sentences of the alt text
    (`Hints(alt_text_as="text")` shows them), annotating a balanced subset with a closed model, fine-tuning the
    captioner and the judges, the yes/no head, balancing by n-grams, chart captions.
    """
    judging = CaptionJudge((judge or engine).build(), longest_side_px=longest_side_px)
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            NotAnimated(),
            DenseCaption(
                engine.build(),
                hints=Hints(blocks=("alt_text",)),
                longest_side_px=longest_side_px,
                max_tokens=400,
            ),
            CaptionClean(),
            judging,
            caption_gate(judging, calibration, uncalibrated),
            CaptionAccepted(),
        ]
    )
