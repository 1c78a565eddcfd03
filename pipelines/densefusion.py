"""DenseFusion: dense captions from image, web text and perception experts."""

from dataclasses import dataclass, replace
from typing import Final

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.witnesses import Columns
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V2, Prompt
from curate.captions.viewing.pixel_budget import PixelBudget
from curate.corpus.clusters import Clusters
from curate.corpus.rank_fraction import RankFraction
from curate.corpus.semantic_duplicates import SemanticDuplicates
from curate.engines.chat_model import ChatModel
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.caption_objects import CaptionObjects
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
from filters.max_rank import MaxRank
from filters.max_semantic_cosine import MaxSemanticCosine
from filters.min_clip_score import MinClipScore
from filters.min_object_precision import MinObjectPrecision
from filters.min_side import MinSide
from filters.min_text_recall import MinTextRecall
from filters.not_animated import NotAnimated

__all__ = ["Checks", "Perception", "Selection", "densefusion"]

AT_THE_WRITER: Final = Resources(gpus="auto", batch_rows=16, gpu_gib=2.0)  # 16 images at once: our estimate
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
    columns=Columns(("open_objects", "caption_objects"), "tags"),
)
BY_ALL: Final = PixelBudget(object_columns=("objects", "open_objects"))


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
    it only the marks of the first caption do. `look_again`: before that, the open detector is asked for what the
    caption names and nobody saw; it runs in the writer's worker and costs one forward pass an image. `allow_marks` are
    marks that are no fault. `min_text_recall` over 0 adds a filter on the share of the text in the image that the final
    caption quotes.
    """

    repair: bool = True
    look_again: bool = True
    allow_marks: tuple[str, ...] = ()
    min_text_recall: float = 0.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Says which images are worth a caption, by CLIP's embeddings and scores; the numbers are the paper's.

    Of images in one of `clusters` whose cosine is over 1 - `epsilon` the one farthest from the centroid stays, and of
    what stays the `per_cluster` that match their texts best; the paper does not say by what it picks.
    """

    clusters: int = 50_000
    epsilon: float = 0.4
    per_cluster: int = 20

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The corpus stages and filters, in order."""
        return (
            Clusters(clusters=self.clusters, resources=ON_GPU),
            SemanticDuplicates(resources=ON_GPU),
            MaxSemanticCosine(1 - self.epsilon),
            RankFraction("clip_score", within=("cluster",), prefix="cluster_"),
            MaxRank("cluster_rank", self.per_cluster),
        )


def densefusion(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    perception: Perception = Perception(),
    selection: Selection | None = Selection(),
    evidence: Evidence = SEEN_BY_ALL,
    prompt: Prompt = FUSION_V2,
    hints: Hints = Hints(place=None, object_columns=("objects", "open_objects")),
    checks: Checks = Checks(),
    longest_side_px: int = 448,
) -> Pipeline:
    """Caption images as DenseFusion-1M does (Li et al. 2024, arXiv 2407.08303), with models of today.

    From the paper: short edge at least 448 px; `hints` in the order world knowledge (names and numbers of the alt
    text), objects, text lines, each optional; captions of at most about 190 words; its rules for the writer, the
    `prompt`, checked on the output too. Small objects are favoured when the hints are capped. Boxes are written as the
    model's family wants them, unless `hints.place` says how; the paper's own form is "fraction": `[x1, y1, x2, y2]` in
    0-1 with three decimals.
    Ours, since the paper does not disclose them: detection and text thresholds, and the CLIP cut, a mild one against
    mismatches for the DataComp-XL ViT-L/14 (whose cosines are lower than OpenAI's).

    Ours too, where the paper trusts its writer: texts that talk to the model are kept out of the hints; each class that
    the caption names and nobody saw is first looked for by the open detector, and then, if that does not find it
    either, asked about at two scales, a caption with marks or with claims
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

    From the paper, too: `selection`, SemDeDup inside 50,000 clusters and the best 20 of each, over the whole input, so
    captions begin when all of it has embeddings. It is made for hundreds of millions of images: a pool with no more
    images than clusters has a cluster for each, and loses but equal ones. For a pool of a million try
    `selection.clusters=1000`; `selection=none` captions all. The paper clusters EVA-CLIP's embeddings; with those here
    its epsilon drops more or less.

    Left out: the paper's own trained caption engine.

    The weights come from their hubs (`curate models densefusion --fetch DIR`). One GPU holds the writer, `engine`; the
    other models share one, where there is one (`clip.resources.gpus`, `objects.resources.gpus` and so on; 0 runs on
    CPUs); they stand together before the OCR, which runs on CPUs. The
    writer may be servers behind OpenAI's API, and a cache keeps what was paid for: docs/engines.md.
    """
    writer = engine.build()
    hints = _measured(hints.for_model(engine.model), perception)
    budget = replace(BY_ALL, object_columns=_of(perception, BY_ALL.object_columns))
    caption = DenseCaption(writer, prompt, hints, longest_side_px=longest_side_px, budget=budget, max_tokens=400)
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            MinSide(448),
            MaxAspect(3.0),
            NotAnimated(),
            Clip("ViT-L-14", Weights("datacomp_xl_s13b_b90k"), resources=ON_GPU),
            MinClipScore(0.2),
            *(selection.stages if selection else ()),
            *perception.stages,
            Ocr(),
            TextCommands(),
            caption,
            *(
                _repaired(caption, evidence, perception, checks)
                if checks.repair
                else [CaptionClean(checks.allow_marks)]
            ),
        ]
    )


def _measured(hints: Hints, perception: Perception) -> Hints:
    """Return the hints less the columns of experts that do not run."""
    columns = _of(perception, hints.object_columns)
    return hints if columns == hints.object_columns else replace(hints, object_columns=columns)


def _of(perception: Perception, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in columns if name in perception.columns)


def _heard(evidence: Evidence, perception: Perception, later: tuple[str, ...] = ()) -> Evidence:
    """Return the evidence less the witnesses that do not run; `later` are columns of one that runs after the writer."""
    given, measured = evidence.columns, perception.columns.union(later)
    objects = tuple(name for name in given.objects if name in measured)
    return replace(evidence, columns=Columns(objects, given.tags if given.tags in measured else None))


def _looking_again(evidence: Evidence, perception: Perception, checks: Checks) -> CaptionObjects | None:
    """Return the open detector, asked for what the caption names; null if there is none or it shall not."""
    found = next((stage for stage in perception.stages if isinstance(stage, OpenObjects)), None)
    if found is None or not checks.look_again:
        return None
    return CaptionObjects(found, _heard(evidence, perception), resources=AT_THE_WRITER)


def _repaired(caption: DenseCaption, evidence: Evidence, perception: Perception, checks: Checks) -> list[Stage]:
    """Return the stages that verify and repair a caption, and the filters on what comes out."""
    side, again = caption.longest_side_px, _looking_again(evidence, perception, checks)
    evidence = _heard(evidence, perception, tuple(again.adds.names) if again else ())
    return [
        *([again] if again else []),
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
