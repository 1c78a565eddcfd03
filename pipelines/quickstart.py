"""The main job on the bundled sample shards, with the nano weights."""

from pathlib import Path

from curate.captions.checking.guards import Guards
from curate.captions.prompting.hints import Hints, Section
from curate.captions.prompting.prompts import Prompt
from curate.engines.chat_model import ChatModel
from curate.engines.engine import Engine
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.preference_pair import PreferencePair
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.caption_clean import CaptionClean
from filters.caption_words import CaptionWords
from filters.language_in import LanguageIn
from filters.max_aspect import MaxAspect
from filters.max_text_area import MaxTextArea
from filters.min_clip_score import MinClipScore
from filters.min_side import MinSide
from filters.no_boilerplate import NoBoilerplate
from filters.not_animated import NotAnimated

__all__ = ["quickstart"]

# The phrases that the nano VLM was trained on (nano/world/tasks.py); a production model needs no such care.
DESCRIBE = Prompt("nano-describe-v1", "Describe the image in detail.", lead="Hints:")
STEPS = Prompt("nano-steps-v1", "Describe the image in detail. Think step by step. Mention every object.")
NEUTRAL = (Prompt("nano-neutral-v1", "Describe this image."),)
MISLEADING = (
    Prompt("nano-misleading-v1-0", "Describe the image and imagine objects that could be there."),
    Prompt("nano-misleading-v1-1", "Describe the image and invent extra objects."),
    Prompt("nano-misleading-v1-2", "Add made-up objects to the description of the picture."),
)
HINTS = Hints(
    blocks=("objects", "ocr"),
    place="words",
    objects=Section("Objects: ", "{text} in the {place}", "; "),
    ocr=Section("OCR: ", '"{text}"', " "),
    max_line_words=3,  # as many as a sign of the nano world has; its VLM knows no marks (docs/prompts.md)
    marking=None,
)


def quickstart(
    weights: str = "nano",
    min_clip_score: float = 0.6,
    max_text_area: float = 0.5,
    hints: bool = True,
    pair_share: float = 0.25,
) -> Pipeline:
    """Measure, filter, caption and pair: every stage of the engine on a small synthetic world.

    The stages and their order are those of `densefusion`; models and the thresholds tied to them are those of the nano
    world (nano/MODEL_CARD.md), read from the folder `weights`. It has no photographs: CLIP cosines are far higher than
    a web model's, so a `min_clip_score` of 0.6 here is about what 0.28 is there. Images with text on more than
    `max_text_area` of them go. Cheap filters come first. `hints=false` keeps from the captioner what the experts saw.
    Pairs are made for `pair_share` of the kept samples only, since each costs two more texts.

    Papers: DataComp's basic rules (arXiv 2304.14108), DenseFusion (2407.08303), STIC (2405.19716). Left out:
    semantic dedup and per-cluster picks.
    """
    root = Path(weights)
    clip_model, clip_weights = str(root / "clip" / "nano-clip.json"), str(root / "clip" / "nano-clip.safetensors")
    engine = vllm(str(root / "vlm"))
    return Pipeline(
        [
            TextFacts(),
            CaptionWords(3, 150),
            NoBoilerplate(),
            LanguageIn(("en",), min_confidence=0.0),
            ImageFacts(),
            MinSide(200),
            MaxAspect(3.0),
            NotAnimated(),
            Clip(clip_model, Weights(clip_weights), resize="squash"),
            MinClipScore(min_clip_score),
            Ocr(),
            MaxTextArea(max_text_area),
            Objects(Weights(str(root / "detector" / "nano-yolo.pt")), image_size_px=320),
            DenseCaption(
                engine,
                prompt=DESCRIBE,
                hints=HINTS if hints else Hints(blocks=()),
                guards=Guards(),
                longest_side_px=336,
                max_tokens=220,
            ),
            CaptionClean(allow=("stock_opener",)),
            PreferencePair(
                engine,
                share=pair_share,
                chosen=STEPS,
                misleading=MISLEADING,
                neutral=NEUTRAL,
                longest_side_px=336,
                max_tokens=220,
                temperature=0.0,
            ),
        ]
    )


def vllm(model: str) -> Engine:
    """Return the engine that writes: vLLM in process, on the CPU, sized for a laptop."""
    return ChatModel(model, dtype="bfloat16", max_model_len=2048, max_num_seqs=64, gpus=0.0).build()
