"""DenseFusion: dense captions from image, web text and perception experts."""

from dataclasses import dataclass, replace
from typing import Final

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.witnesses import Columns
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V2, Prompt
from curate.captions.viewing.pixel_budget import PixelBudget
from curate.engines.chat_model import ChatModel
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.detector_files import is_transformers
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.open_objects import OpenObjects
from curate.experts.repair_caption import RepairCaption
from curate.experts.tags import Tags
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

__all__ = ["Checks", "Perception", "densefusion"]

ON_GPU: Final = Resources(gpus="auto", batch_rows=64)  # the models that look at an image share a GPU, if there is one
YOLO: Final = Objects(Weights("yolo11x.pt"), resources=ON_GPU)
YOLOE: Final = OpenObjects(resources=ON_GPU)
YOLOE_TAGS: Final = Tags(resources=ON_GPU)
RT_DETR: Final = Objects(Weights("PekingU/rtdetr_r50vd_coco_o365"), min_score=0.4, resources=ON_GPU)
OWL: Final = OpenObjects(
    Weights("google/owlv2-base-patch16-ensemble"),
    text_encoder=None,
    sources=("alt_text",),
    image_size_px=960,
    min_score=0.2,
    resources=ON_GPU,
)
SEEN_BY_ALL: Final = Evidence(
    read_lexicon("lvis"),
    read_lexicon("coco80").names,
    columns=Columns("open_objects", "open_objects_asked", "tags"),
)


@dataclass(frozen=True, slots=True)
class Perception:
    """Names the models that look at an image for the writer's hints, beside CLIP and OCR.

    `detector` knows fixed classes, `tagger` names what there is, `open_detector` looks for the tags and for what the
    alt text names; the last two may be none. `permissive` runs none of ultralytics, which is AGPL-3.0 with its weights:
    RT-DETR and OWLv2 (both Apache-2.0) take the places of those that are its, and there are no tags. Without tags the
    alt text alone says what the open detector looks for.
    """

    detector: Objects = YOLO
    tagger: Tags | None = YOLOE_TAGS
    open_detector: OpenObjects | None = YOLOE
    permissive: bool = False

    @property
    def stages(self) -> tuple[Objects | Tags | OpenObjects, ...]:
        """The experts in the order in which they run."""
        detector, tagger, open_detector = self.detector, self.tagger, self.open_detector
        if self.permissive:
            detector = detector if is_transformers(detector.weights) else RT_DETR
            if open_detector is not None:
                open_detector = open_detector if is_transformers(open_detector.weights) else OWL
            tagger = None
        if tagger is None and open_detector is not None:
            sources = tuple(source for source in open_detector.sources if source != "tags")
            open_detector = replace(open_detector, sources=sources)
        return tuple(stage for stage in (detector, tagger, open_detector) if stage is not None)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that they add."""
        return frozenset(name for stage in self.stages for name in stage.adds.names)


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
    perception: Perception = Perception(),
    evidence: Evidence = SEEN_BY_ALL,
    prompt: Prompt = FUSION_V2,
    hints: Hints = Hints(place=None, object_columns=("objects", "open_objects")),
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

    Objects come, as in the paper, from a detector of fixed classes and from one that looks for each image's own names,
    which a tagger gives: `perception`. The paper's are EVA02, OWL-ViTv2 and RAM++; here YOLO11, YOLOE and its
    prompt-free form, which knows RAM++'s names. They are AGPL-3.0; `perception.permissive=true` runs Apache-2.0 models
    instead. The paper's figure shows tags among the hints and its templates do not;
    `hints.blocks=alt_text,objects,ocr,tags` adds them. `evidence` hears all three: its
    `lexicon` holds the words that a caption may claim, its `detector_labels` the classes of the first detector.

    Left out: SemDeDup (50,000 clusters, epsilon 0.4) and the pick of 20 per cluster, and the paper's own trained
    caption engine.

    The weights come from their hubs (`curate models densefusion --fetch DIR`). One GPU holds the writer, `engine`; the
    other models share one, where there is one (`clip.resources.gpus`, `objects.resources.gpus` and so on; 0 runs on
    CPUs); they stand together before the OCR, which runs on CPUs. The
    writer may be servers behind OpenAI's API, and a cache keeps what was paid for: docs/engines.md.
    """
    writer = engine.build()
    hints = _measured(hints.for_model(engine.model), perception)
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
            *perception.stages,
            Ocr(),
            TextCommands(),
            caption,
            *(
                _repaired(caption, _heard(evidence, perception), checks)
                if checks.repair
                else [CaptionClean(checks.allow_marks)]
            ),
        ]
    )


def _measured(hints: Hints, perception: Perception) -> Hints:
    """Return the hints less the columns of experts that do not run."""
    columns = tuple(name for name in hints.object_columns if name in perception.columns)
    return hints if columns == hints.object_columns else replace(hints, object_columns=columns)


def _heard(evidence: Evidence, perception: Perception) -> Evidence:
    """Return the evidence less the witnesses that do not run."""
    given = evidence.columns
    objects, asked, tags = (
        name if name in perception.columns else None for name in (given.objects, given.asked, given.tags)
    )
    return replace(evidence, columns=Columns(objects, asked, tags))


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
