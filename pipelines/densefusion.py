"""DenseFusion: dense captions from image, web text and perception experts."""

from dataclasses import dataclass
from typing import Final

from curate.captions.checking.evidence import Evidence
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V1, Prompt
from curate.captions.viewing.pixel_budget import PixelBudget
from curate.engines.chat_model import ChatModel
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

__all__ = ["Checks", "densefusion"]

ON_GPU: Final = Resources(gpus="auto", batch_rows=64)  # CLIP and detector share a GPU, where there is one


@dataclass(frozen=True, slots=True)
class Checks:
    """Says what a caption must pass, and whether one that fails is repaired before it is dropped.

    `repair`: unseen objects are verified, bad captions asked for once more, and `final_caption` is what counts; without
    it only the marks of the first caption do. `allow_marks` are marks that are no fault. `min_text_recall` over 0 adds
    a filter on the share of the text in the image that the final caption quotes.
    """

    repair: bool = True
    allow_marks: tuple[str, ...] = ()
    min_text_recall: float = 0.0


def densefusion(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    detector: Objects = Objects(Weights("yolo11x.pt"), resources=ON_GPU),
    evidence: Evidence = Evidence(),
    prompt: Prompt = FUSION_V1,
    hints: Hints = Hints(blocks=("alt_text", "objects", "ocr"), place=None),
    checks: Checks = Checks(),
    longest_side_px: int = 448,
) -> Pipeline:
    """Caption images as DenseFusion-1M does (Li et al. 2024, arXiv 2407.08303), with models of today.

    From the paper: short edge at least 448 px; `hints` in the order world knowledge (alt text), objects, text lines,
    each optional; captions of at most about 190 words; its rules for the writer, the `prompt`, checked on the output
    too. Small objects are favoured when the hints are capped. Boxes are written as the model's family wants them,
    unless `hints.place` says how; the paper's own form is "fraction": `[x1, y1, x2, y2]` in 0-1 with three decimals.
    Ours, since the paper does not disclose them: detection and text thresholds, and the CLIP cut, a mild one against
    mismatches for the DataComp-XL ViT-L/14 (whose cosines are lower than OpenAI's).

    Ours too, where the paper trusts its writer: texts that talk to the model are kept out of the hints; each class that
    the caption names and the detector did not see is asked about at two scales, a caption with marks or with claims
    that `evidence` contradicts is asked for once more, and the better one is `final_caption`; what stays marked, or
    names too many classes that nobody saw, is dropped (docs/evidence.md; `checks`). Each image gets the tier that its
    text and small objects need, up to tiles of 4K (docs/pixel-budget.md); with `dense_caption.budget=none`, and for the
    checks, its longest side is at most `longest_side_px`.

    Left out: SemDeDup (50,000 clusters, epsilon 0.4) and the pick of 20 per cluster, RAM++ tags with an open-set
    detector, EVA02 (an ultralytics `detector` instead; AGPL-3.0; `evidence.lexicon` names its classes), and the paper's
    own trained caption engine.

    The weights come from their hubs by the models' ordinary loaders. One GPU holds the writer, `engine`; CLIP and
    detector take a quarter of another each (`clip.resources.gpus`, `detector.resources.gpus`; 0 runs on CPUs). The
    writer may be servers behind OpenAI's API, and a cache keeps what was paid for: docs/engines.md.
    """
    writer = engine.build()
    hints = hints.for_model(engine.model)
    caption = DenseCaption(writer, prompt, hints, longest_side_px=longest_side_px, budget=PixelBudget(), max_tokens=400)
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            MinSide(448),
            MaxAspect(3.0),
            NotAnimated(),
            Clip("ViT-L-14", Weights("datacomp_xl_s13b_b90k"), resources=ON_GPU),
            MinClipScore(0.2),
            Ocr(),
            detector,
            TextCommands(),
            caption,
            *(_repaired(caption, evidence, checks) if checks.repair else [CaptionClean(checks.allow_marks)]),
        ]
    )


def _repaired(caption: DenseCaption, evidence: Evidence, checks: Checks) -> list[Stage]:
    """Return the stages that verify and repair a caption, and the filters on what comes out."""
    side = caption.longest_side_px
    return [
        VerifyObjects(
            caption.engine,
            evidence=evidence,
            which="unsupported",
            longest_side_px=side,
            zoom_side_px=side,
        ),
        RepairCaption(
            caption.engine,
            made_by=caption.prompt,
            hints=caption.hints,
            evidence=evidence,
            allow=checks.allow_marks,
            verified=True,
            longest_side_px=side,
            max_tokens=caption.max_tokens,
        ),
        CaptionEvidence("final_caption", evidence),
        CaptionClean(checks.allow_marks, "final_caption_marks"),
        MinObjectPrecision(0.5, "final_caption"),
        *([MinTextRecall(checks.min_text_recall, "final_caption")] if checks.min_text_recall else []),
    ]
