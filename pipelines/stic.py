"""STIC: preference pairs and descriptions that a model makes for its own training."""

from curate.captions.checking.evidence import Evidence
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import NEUTRAL_V1, Prompt
from curate.engines.chat_model import ChatModel
from curate.experts.dense_caption import DenseCaption
from curate.experts.description import Description
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.pair_evidence import PairEvidence
from curate.experts.pair_judge import PairJudge
from curate.experts.preference_pair import STIC, PreferencePair
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.stages import Gate, Stage
from filters.judges_agree import JudgesAgree
from filters.min_pair_margin import MinPairMargin
from filters.min_side import MinSide
from filters.not_animated import NotAnimated
from filters.pair_lengths import PairLengths
from schemas.preference import EDIT_KINDS

__all__ = ["stic"]


def stic(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    detector: Objects = Objects(Weights("yolo11x.pt")),
    evidence: Evidence = Evidence(),
    kinds: tuple[tuple[str, float], ...] = STIC,
    neutral: tuple[Prompt, ...] = NEUTRAL_V1,
    longest_side_px: int = 448,
    judge: bool = False,
    describe: bool = False,
) -> Pipeline:
    """Make preference pairs as STIC does (Deng et al. 2024, arXiv 2405.19716), and gate out those that are none.

    From the paper: the better text step by step under one prompt of six aspects; the worse one, by a coin, under one
    of eight misleading prompts or from a corrupted image (short side 20 px, or brightness 0.5 and hue 0.3) under one
    of eight `neutral` prompts; temperature 0.2, 1024 tokens; a neutral prompt stored with both sides. Its 6k images of
    COCO need no text, and none is read here. `describe` adds the second stage's description, for the export
    `described_sft`.

    Ours: `kinds` with their weights, such as {"misleading_prompt": 1, "corrupted_image": 1, "ranked_samples": 1,
    "edits": 1} (edits work on a caption with hints, a stage of its own); the gates on evidence
    (`min_pair_margin.minimum` of the evidence score) and length; with `judge` the model's own judgement, in both
    orders. A pair that a gate drops costs neither the description nor the caption of its image (`pair_dropped_by`,
    docs/gates.md). The `evidence` is that of a `detector`, whose classes `evidence.lexicon` names, and of an OCR.
    Prompt files: docs/prompts.md. `engine` writes, and sees images with their longest side at most `longest_side_px`.

    Left out: the training itself (DPO with the regulariser -log p(chosen)/1024, LoRA), its detector-free trust in the
    pairs, and the fine-tuned model for the descriptions.
    """
    writer = engine.build()
    pair = PreferencePair(writer, kinds=kinds, neutral=neutral, evidence=evidence, longest_side_px=longest_side_px)
    edited: list[Stage] = [
        DenseCaption(writer, hints=Hints(blocks=("objects", "ocr")), longest_side_px=longest_side_px, max_tokens=1024),
    ]
    judged: list[Stage] = [PairJudge(writer, longest_side_px=longest_side_px), Gate("pair", JudgesAgree())]
    described: list[Stage] = [Description(writer, neutral, longest_side_px=longest_side_px)]
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            NotAnimated(),
            Ocr(),
            detector,
            *(edited if {"edits", *EDIT_KINDS} & set(pair.weights) else []),
            pair,
            PairEvidence(evidence),
            Gate("pair", PairLengths(1.5)),
            Gate("pair", MinPairMargin(0.02)),
            *(judged if judge else []),
            *(described if describe else []),
        ]
    )
