"""DenseFusion: dense captions from image, web text and perception experts."""

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.guards import Languages
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.places import Place, place_style
from curate.captions.prompting.prompts import BUNDLED, FUSION_V1, read_prompt
from curate.captions.viewing.pixel_budget import PixelBudget
from curate.engines.cached import Cached
from curate.engines.engine import Engine
from curate.engines.openai_server import OpenAIServer
from curate.engines.vllm_engine import Vllm
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.repair_caption import RepairCaption
from curate.experts.text_commands import TextCommands
from curate.experts.text_facts import TextFacts
from curate.experts.verify_objects import VerifyObjects
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.stages import Resources, Stage
from filters.caption_clean import CaptionClean
from filters.max_aspect import MaxAspect
from filters.min_clip_score import MinClipScore
from filters.min_object_precision import MinObjectPrecision
from filters.min_side import MinSide
from filters.min_text_recall import MinTextRecall
from filters.not_animated import NotAnimated

__all__ = ["densefusion"]


def densefusion(
    vlm: str = "Qwen/Qwen3-VL-8B-Instruct",
    servers: tuple[str, ...] = (),
    answers: str = "",
    clip: str = "ViT-L-14",
    clip_weights: str = "datacomp_xl_s13b_b90k",
    detector: str = "yolo11x.pt",
    lexicon: str = "coco80",
    prompt: str = "",
    repair_prompt: str = "",
    verify_prompt: str = "",
    place: Place | None = None,
    languages: tuple[str, ...] = ("en",),
    allow_marks: tuple[str, ...] = (),
    min_side_px: int = 448,
    max_aspect: float = 3.0,
    min_clip_score: float = 0.2,
    min_object_precision: float = 0.5,
    min_text_recall: float = 0.0,
    longest_side_px: int = 448,
    adaptive_pixels: bool = True,
    check_captions: bool = True,
    max_tokens: int = 400,
    max_model_len: int = 8192,
    detector_px: int = 640,
    gpus: float = 1.0,
    gpus_for_perception: float = 0.5,
) -> Pipeline:
    """Caption images as DenseFusion-1M does (Li et al. 2024, arXiv 2407.08303), with models of today.

    From the paper: short edge at least 448 px; hints in the order world knowledge (alt text), objects, text lines, each
    optional; captions of at most about 190 words; its rules for the writer, checked on the output too. Small objects
    are favoured when the hints are capped. Boxes are written as the model's family wants them, unless `place` says
    how; the paper's own form is "fraction": `[x1, y1, x2, y2]` in 0-1 with three decimals. Ours, since the paper does
    not disclose them: detection and text thresholds, and the CLIP cut, a mild one against mismatches for the
    DataComp-XL ViT-L/14 (whose cosines are lower than OpenAI's).

    Ours too, where the paper trusts its writer: texts that talk to the model are kept out of the hints; with
    `check_captions` each class that the caption names and the detector did not see is asked about at two scales, a
    caption with marks or wrong claims is asked for once more, and the better one is `final_caption`; what stays marked,
    or names too many classes that nobody saw, is dropped (docs/evidence.md). With `adaptive_pixels` each image gets
    the tier that its text and small objects need, up to tiles of 4K (docs/pixel-budget.md), else `longest_side_px`.

    Left out: SemDeDup (50,000 clusters, epsilon 0.4) and the pick of 20 per cluster, RAM++ tags with an open-set
    detector, EVA02 (an ultralytics detector instead; AGPL-3.0; `lexicon` names its classes), and the paper's own
    trained caption engine.

    The weights come from their hubs by the models' ordinary loaders. One GPU holds the writer; perception takes
    `gpus_for_perception` of another; 0 for both runs on CPUs. With `servers` (addresses such as http://host:8000/v1)
    the writer is a model behind OpenAI's API; `answers` is a local folder that keeps what was paid for, see
    docs/engines.md.
    """
    on_gpu = Resources(gpus=gpus_for_perception / 2, batch_rows=64)
    engine: Engine = Vllm(Weights(vlm), max_model_len=max_model_len, gpus=gpus, enforce_eager=gpus == 0)
    if servers:
        engine = OpenAIServer(servers, vlm)
    if answers:
        engine = Cached(engine, answers)
    caption = DenseCaption(
        engine,
        prompt=read_prompt(prompt) if prompt else FUSION_V1,
        hints=Hints(blocks=("alt_text", "objects", "ocr"), place=place or place_style(vlm)),
        longest_side_px=longest_side_px,
        budget=PixelBudget() if adaptive_pixels else None,
        max_tokens=max_tokens,
    )
    evidence = Evidence(read_lexicon(lexicon))
    verify = VerifyObjects(
        engine,
        read_prompt(verify_prompt) if verify_prompt else BUNDLED["verify-v1"],
        evidence,
        which="unsupported",
        longest_side_px=longest_side_px,
        zoom_side_px=longest_side_px,
    )
    repair = RepairCaption(
        engine,
        read_prompt(repair_prompt) if repair_prompt else BUNDLED["repair-v1"],
        made_by=caption.prompt,
        hints=caption.hints,
        evidence=evidence,
        allow=allow_marks,
        languages=Languages(languages),
        verified=True,
        longest_side_px=longest_side_px,
        max_tokens=max_tokens,
    )
    checks: list[Stage] = [
        verify,
        repair,
        CaptionEvidence("final_caption", evidence),
        CaptionClean(allow_marks, "final_caption_marks"),
        MinObjectPrecision(min_object_precision, "final_caption"),
        *([MinTextRecall(min_text_recall, "final_caption")] if min_text_recall else []),
    ]
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            MinSide(min_side_px),
            MaxAspect(max_aspect),
            NotAnimated(),
            Clip(clip, Weights(clip_weights), resources=on_gpu),
            MinClipScore(min_clip_score),
            Ocr(),
            Objects(Weights(detector), image_size_px=detector_px, resources=on_gpu),
            TextCommands(),
            caption,
            *(checks if check_captions else [CaptionClean(allow_marks)]),
        ]
    )
