"""SAIL-Caption: captions from image and web text, and a judge that drops the poor ones."""

from curate.captions.checking.guards import Guards
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V1, read_prompts
from curate.engines.vllm_engine import Vllm
from curate.experts.caption_gate import caption_gate
from curate.experts.caption_judge import CAPTION_JUDGE_V1, CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_accepted import CaptionAccepted
from filters.caption_clean import CaptionClean
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["sail_caption"]


def sail_caption(
    vlm: str = "Qwen/Qwen3-VL-8B-Instruct",
    judge: str = "",
    calibration: str = "",
    uncalibrated: bool = False,
    prompt: str = "",
    judge_prompt: str = "",
    alt_text: bool = True,
    allow_marks: tuple[str, ...] = (),
    min_side_px: int = 224,
    longest_side_px: int = 448,
    max_tokens: int = 400,
    max_model_len: int = 8192,
    gpus: float = 1.0,
) -> Pipeline:
    """Caption images with their alt text as world knowledge, score them by VIR and ITA, drop below 3 on either.

    From SAIL-VL (arXiv 2501.05952): the captioner sees the image and the alt text. From SAIL-VL2 (arXiv 2509.14033):
    visual information richness and image-text alignment, 1 to 5; a caption below 3 on either is dropped, 300M to 250M.
    The paper trains its judges on 500K scored captions (precision/recall 0.916/0.903 for ITA, 0.983/0.975 for VIR) and
    finds models that were not trained for it unusable (0.436/0.994 and 0.823/0.560). So the gate opens only with
    `calibration`, a file of `curate calibrate sail_caption ...` in which this very judge reaches 0.9 on both axes, for
    what it keeps and for what it drops; `uncalibrated=true` takes any judge as it is.

    `judge` is a model of its own; empty: `vlm` judges its own captions. Left out: annotating a balanced subset with a
    closed model, fine-tuning the captioner and the judges, the yes/no head, balancing by n-grams, chart captions.
    """
    engine = Vllm(Weights(vlm), max_model_len=max_model_len, gpus=gpus, enforce_eager=gpus == 0)
    second = Vllm(Weights(judge or vlm), max_model_len=max_model_len, gpus=gpus, enforce_eager=gpus == 0)
    judging = CaptionJudge(
        second,
        prompt=read_prompts(judge_prompt)[0] if judge_prompt else CAPTION_JUDGE_V1,
        longest_side_px=longest_side_px,
    )
    return Pipeline(
        [
            ImageFacts(),
            MinSide(min_side_px),
            NotAnimated(),
            DenseCaption(
                engine,
                prompt=read_prompts(prompt)[0] if prompt else FUSION_V1,
                hints=Hints(blocks=("alt_text",) if alt_text else ()),
                guards=Guards(),
                longest_side_px=longest_side_px,
                max_tokens=max_tokens,
            ),
            CaptionClean(allow=allow_marks),
            judging,
            caption_gate(judging, calibration, uncalibrated),
            CaptionAccepted(),
        ]
    )
