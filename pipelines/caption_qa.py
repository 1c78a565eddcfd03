"""Questions and answers about images, verified against experts and asked of models without eyes."""

from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.hints import Hints
from curate.captions.questioning.blind import BLIND_V1, BlindPrompt
from curate.captions.questioning.phrases import Phrases, read_phrases
from curate.captions.questioning.questions import Templates
from curate.captions.questioning.written import WRITER_V1
from curate.engines.engine import Engine
from curate.engines.openai_server import OpenAIServer
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError
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
from curate.stages import Stage
from filters.max_aspect import MaxAspect
from filters.min_questions import MinQuestions
from filters.min_side import MinSide
from filters.not_animated import NotAnimated

__all__ = ["caption_qa"]


def caption_qa(
    vlm: str = "Qwen/Qwen3-VL-8B-Instruct",
    detector: str = "yolo11x.pt",
    lexicon: str = "coco80",
    phrases: str = "",
    writer: bool = True,
    inspectors: tuple[str, ...] = (),
    grey: bool = False,
    examples: bool = True,
    max_blind_share: float = 0.25,
    label: str = "",
    label_question: str = "",
    min_side_px: int = 224,
    detector_px: int = 640,
    longest_side_px: int = 448,
    max_model_len: int = 8192,
    gpus: float = 1.0,
) -> Pipeline:
    """Ask, answer, verify, and keep what needs the image; `curate export --to llava` or `swift` ships it.

    Questions come from a detector and an OCR (presence as often denied as affirmed, number, text, largest object) and,
    with `writer`, from a caption by the same model, which then costs two texts more. `lexicon` must name the
    detector's classes; `phrases` is a TOML file of other wordings. `inspectors` answer blind, each "MODEL@URL" of an
    OpenAI-compatible server; without any the model itself does, without the image or (`grey`) with a grey one, after
    two solved `examples`. `label`, such as "metadata.label", adds label-verified answers to `label_question` (a column
    too) or to our general questions; only direct ones are exported.

    Papers: MMStar (arXiv 2403.20330) for the gate, eight inspectors and a share of 0.25; Video-STaR (2407.06189) for
    verifiers and labels; POPE (2305.10355) for questions from detections. Left out: near-duplicates and quality of the
    images, which `densefusion` filters by, and questions about relations.
    """
    engine = Vllm(Weights(vlm), max_model_len=max_model_len, gpus=gpus, enforce_eager=gpus == 0)
    words = read_phrases(phrases) if phrases else Phrases()
    blind = [_server(one) for one in inspectors] or [engine]
    caption: list[Stage] = [
        DenseCaption(engine, hints=Hints(blocks=("objects", "ocr")), longest_side_px=longest_side_px, max_tokens=400)
    ]
    labelled: list[Stage] = [
        LabelVerified(engine, label, label_question or None, longest_side_px=longest_side_px),
    ]
    return Pipeline(
        [
            ImageFacts(),
            MinSide(min_side_px),
            MaxAspect(3.0),
            NotAnimated(),
            Ocr(),
            Objects(Weights(detector), image_size_px=detector_px),
            *(caption if writer else []),
            CaptionQA(
                engine,
                templates=Templates(words),
                writer=WRITER_V1 if writer else None,
                lexicon=read_lexicon(lexicon),
                sources=("objects", "ocr", "caption") if writer else ("objects", "ocr"),
                longest_side_px=longest_side_px,
            ),
            BlindAnswers(
                blind[0],
                tuple(blind[1:]),
                grey=(engine.name,) if grey and not inspectors else (),
                prompt=BLIND_V1 if examples else BlindPrompt("bare-v1", "", ()),
                phrases=words,
            ),
            SelectQuestions(max_blind_share),
            MinQuestions(1),
            *(labelled if label else []),
        ]
    )


def _server(text: str) -> Engine:
    model, at, url = text.rpartition("@")
    if not at or not model:
        raise PlanError(f"inspectors: {text!r} is not MODEL@URL, such as Qwen/Qwen3-32B@http://host:8000/v1")
    return OpenAIServer(url, model)
