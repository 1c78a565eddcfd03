"""HumanCaption: images of people, described by face, body and background at three lengths."""

from typing import Final

from curate.captions.checking.guards import Guards
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.kinds import Kind
from curate.captions.prompting.prompts import BUNDLED
from curate.engines.chat_model import ChatModel
from curate.experts.caption_kinds import CaptionKinds
from curate.experts.drawn_caption import DrawnCaption
from curate.experts.human_attributes import HumanAttributes
from curate.experts.image_facts import ImageFacts
from curate.experts.main_face import MainFace
from curate.experts.open_objects import OpenObjects
from curate.experts.text_facts import TextFacts
from curate.pipeline import Pipeline
from curate.stages import Resources
from filters.min_attributes import MinAttributes
from filters.min_face import MinFace
from filters.not_animated import NotAnimated

__all__ = ["human_caption", "human_kinds"]

# Most words and tokens of the three lengths; a word of English is about 1.3 tokens.
LENGTHS: Final = {"human_short": (70, 120), "human_detail": (400, 640), "human_full": (500, 800)}
FACES: Final = OpenObjects(sources=(), names=("face", "person"), resources=Resources(gpus="auto", batch_rows=64))


def human_caption(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    detector: OpenObjects = FACES,
    hints: Hints = Hints(blocks=("alt_text", "attributes"), place=None),
) -> Pipeline:
    """Describe people as HumanCaption does (HumanVLM, arXiv 2411.03034), with models of today.

    From the paper and its cards: a face of at least 128 x 128 px, certain at 0.98 there; forty facial attributes, of
    which those over 0.85 count and more than five must be left; a short text of at most 70 words, one of at most 400
    (300 in another version of the card) and one of at most 500, each about face, body and background.

    `detector` is asked for faces and persons (YOLOE, AGPL-3.0; Apache-2.0 with
    `detector.weights=google/owlv2-base-patch16-ensemble` and `detector.text_encoder=none`); its names are those of
    `main_face.face_labels` and `main_face.person_labels`. 0.98 is RetinaFace's, and no open-set detector is so sure:
    `min_face.score` is 0.5 here, which is ours and not measured on photographs, so look at the scores before a large
    run. `engine` answers the questions about attributes and writes. `hints` are given to all three texts, and
    `hints.min_attribute_probability` is where an attribute counts, for the gate too.

    Left out: RetinaFace and LAION-Face; the attribute classifier (the writer answers yes/no questions, and its
    probability is the confidence); the template sentence that the paper's language model rewrites (attributes are
    hints instead); GPT-4V; resolution cut and body experts, undisclosed. Asks about 60 short questions a face.
    """
    writer = engine.build()
    return Pipeline(
        [
            TextFacts(),
            ImageFacts(),
            NotAnimated(),
            detector,
            MainFace(objects_column="open_objects"),
            MinFace(score=0.5),
            HumanAttributes(writer),
            MinAttributes(5, hints.min_attribute_probability),
            CaptionKinds(writer, human_kinds(hints.for_model(engine.model)), longest_side_px=672),
            DrawnCaption(),
        ]
    )


def human_kinds(hints: Hints) -> tuple[Kind, ...]:
    """Return the three lengths, drawn equally often."""
    return tuple(
        Kind(name, BUNDLED[f"{name.replace('_', '-')}-v1"], hints, Guards(10, words), tokens, 1.0)
        for name, (words, tokens) in LENGTHS.items()
    )
