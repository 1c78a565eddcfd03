"""Questions and answers about images, verified against experts and answered by models that do not see the image."""

from curate.captions.prompting.hints import Hints
from curate.captions.questioning.phrases import Phrases
from curate.captions.questioning.questions import Templates
from curate.captions.questioning.written import WRITER_V1
from curate.engines.chat_model import ChatModel
from curate.experts.blind_answers import BlindAnswers
from curate.experts.caption_qa import CaptionQA
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.label_verified import LabelVerified
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.select_questions import SelectQuestions
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.stages import Gate, Stage
from filters.max_aspect import MaxAspect
from filters.min_questions import MinQuestions
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["caption_qa"]


def caption_qa(
    engine: ChatModel = ChatModel("Qwen/Qwen3-VL-8B-Instruct"),
    detector: Objects = Objects(Weights("yolo11x.pt")),
    blind: tuple[ChatModel, ...] = (),
    phrases: Phrases = Phrases(),
    written: bool = True,
    label: str = "",
    longest_side_px: int = 448,
) -> Pipeline:
    """Ask, answer, verify, and keep what needs the image; `curate export --to llava` or `swift` ships it.

    Questions come from a `detector` and an OCR (presence as often denied as affirmed, number, text, largest object)
    and, with `written`, from a caption by the same `engine`, which then costs two texts more. `caption_qa.lexicon` must
    name the detector's classes; `phrases` is a TOML file of other wordings. The models of `blind`, a JSON list such as
    [{"model": "org/big", "servers": ["http://a:8000/v1"]}], answer without the image; without any, `engine` itself
    does (`blind_answers.grey` names models that need an image: they get a grey one), after two solved examples.
    `label`, such as "metadata.label", adds label-verified answers to `label_verified.question` (a column too) or to our
    general questions; only direct ones are exported. An image of which no question is left keeps its caption and its
    label's answer (`qa_dropped_by`). Images are shown with their longest side at most
    `longest_side_px`.

    Papers: MMStar (arXiv 2403.20330) for the gate, eight blind models and a share of 0.25; Video-STaR (2407.06189) for
    verifiers and labels; POPE (2305.10355) for questions from detections. Left out: near-duplicates and quality of the
    images, which `densefusion` filters by, and questions about relations.
    """
    writer = engine.build()
    first, *others = [one.build() for one in blind] or [writer]
    caption: list[Stage] = [
        DenseCaption(writer, hints=Hints(blocks=("objects", "ocr")), longest_side_px=longest_side_px, max_tokens=400)
    ]
    return Pipeline(
        [
            ImageFacts(),
            MinSide(224),
            MaxAspect(3.0),
            NotAnimated(),
            Ocr(),
            detector,
            *(caption if written else []),
            CaptionQA(
                writer,
                templates=Templates(phrases),
                writer=WRITER_V1 if written else None,
                sources=("objects", "ocr", "caption") if written else ("objects", "ocr"),
                longest_side_px=longest_side_px,
            ),
            BlindAnswers(first, tuple(others), phrases=phrases),
            SelectQuestions(),
            Gate("qa", MinQuestions(1)),
            *([LabelVerified(writer, label, longest_side_px=longest_side_px)] if label else []),
        ]
    )
