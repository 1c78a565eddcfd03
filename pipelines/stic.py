"""STIC: preference pairs and descriptions that a model makes for its own training."""

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V1, MISLEADING_V1, NEUTRAL_V1, STEP_BY_STEP_V1, read_prompts
from curate.captions.viewing.corruptions import STIC_CORRUPTIONS, Corruptions
from curate.engines.vllm_engine import Vllm
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
from curate.stages import Stage
from filters.judges_agree import JudgesAgree
from filters.min_pair_margin import MinPairMargin
from filters.min_side import MinSide
from filters.not_animated import NotAnimated
from filters.pair_lengths import PairLengths
from schemas.preference import EDIT_KINDS

__all__ = ["stic"]


def stic(
    vlm: str = "Qwen/Qwen3-VL-8B-Instruct",
    detector: str = "yolo11x.pt",
    lexicon: str = "coco80",
    kinds: dict[str, float] | None = None,
    corruptions: tuple[str, ...] = STIC_CORRUPTIONS,
    chosen_prompt: str = "",
    caption_prompt: str = "",
    misleading_prompts: str = "",
    neutral_prompts: str = "",
    min_margin: float = 0.02,
    max_length_ratio: float = 1.5,
    judge: bool = False,
    describe: bool = False,
    min_side_px: int = 224,
    detector_px: int = 640,
    longest_side_px: int = 448,
    max_tokens: int = 1024,
    temperature: float = 0.2,
    max_model_len: int = 8192,
    gpus: float = 1.0,
) -> Pipeline:
    """Make preference pairs as STIC does (Deng et al. 2024, arXiv 2405.19716), and gate out those that are none.

    From the paper: the better text step by step under one prompt of six aspects; the worse one, by a coin, under one
    of eight misleading prompts or from a corrupted image (short side 20 px, or brightness 0.5 and hue 0.3) under one
    of eight neutral prompts; temperature 0.2, 1024 tokens; a neutral prompt stored with both sides. Its 6k images of
    COCO need no text, and none is read here. `describe` adds the second stage's description, for the export
    `described_sft`.

    Ours: `kinds` with their weights, such as {"misleading_prompt": 1, "corrupted_image": 1, "ranked_samples": 1,
    "edits": 1} (edits work on a caption with hints, a stage of its own); the gates on evidence (`min_margin`
    of the evidence score; 0: no gate) and length; with `judge` the model's own judgement, in both orders. The evidence
    is that of a detector whose classes are `lexicon`'s and of an OCR. Prompt files: docs/prompts.md.

    Left out: the training itself (DPO with the regulariser -log p(chosen)/1024, LoRA), its detector-free trust in the
    pairs, and the fine-tuned model for the descriptions.
    """
    engine = Vllm(Weights(vlm), max_model_len=max_model_len, gpus=gpus, enforce_eager=gpus == 0)
    better = read_prompts(chosen_prompt)[0] if chosen_prompt else STEP_BY_STEP_V1
    neutral = read_prompts(neutral_prompts) if neutral_prompts else NEUTRAL_V1
    evidence = Evidence(read_lexicon(lexicon))
    pair = PreferencePair(
        engine,
        kinds=tuple(kinds.items()) if kinds else STIC,
        chosen=better,
        misleading=read_prompts(misleading_prompts) if misleading_prompts else MISLEADING_V1,
        neutral=neutral,
        corruptions=Corruptions(corruptions),
        evidence=evidence,
        longest_side_px=longest_side_px,
        max_tokens=max_tokens,
        temperature=temperature,
    )
    caption = DenseCaption(
        engine,
        prompt=read_prompts(caption_prompt)[0] if caption_prompt else FUSION_V1,
        hints=Hints(blocks=("objects", "ocr")),
        longest_side_px=longest_side_px,
        max_tokens=max_tokens,
    )
    gates: list[Stage] = [PairLengths(max_length_ratio)]
    if min_margin:
        gates.append(MinPairMargin(min_margin))
    if judge:
        gates += [PairJudge(engine, longest_side_px=longest_side_px), JudgesAgree()]
    size = {"longest_side_px": longest_side_px, "max_tokens": max_tokens}
    return Pipeline(
        [
            ImageFacts(),
            MinSide(min_side_px),
            NotAnimated(),
            Ocr(),
            Objects(Weights(detector), image_size_px=detector_px),
            *([caption] if {"edits", *EDIT_KINDS} & set(pair.weights) else []),
            pair,
            PairEvidence(evidence),
            *gates,
            *([Description(engine, neutral, **size, temperature=temperature)] if describe else []),
        ]
    )
