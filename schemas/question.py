"""Questions about an image, with answers that are checked against what was measured."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["KEPT_QUESTION", "KEPT_QUESTIONS", "QUESTION", "QUESTIONS", "QUESTION_KINDS", "QUESTION_SOURCES"]

QUESTION_KINDS = ("count", "short", "text", "yes_no")
"""Every kind of a question."""

QUESTION_SOURCES = ("absence", "caption", "objects", "ocr")
"""Where a question and its expected answer come from: a class that was not seen, a caption, detections, text lines."""

QUESTION = pa.struct(
    [
        ("kind", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("expected", pa.string()),
        ("source", pa.string()),
        ("subject", pa.string()),
        ("verifier", pa.string()),
        ("verified", pa.bool_()),
        ("confidence", pa.float32()),
    ]
)

KEPT_QUESTION = pa.struct([(name, pa.string()) for name in ("kind", "question", "answer", "source")])

QUESTIONS = pa.schema(
    [
        column(
            "qa",
            pa.list_(QUESTION),
            unit="questions",
            null="not asked",
            producer="caption_qa",
            doc="All questions that were asked. kind: "
            + ", ".join(QUESTION_KINDS)
            + "; answer: of a model that looked "
            "at the image; expected: what evidence or the caption says; source: " + ", ".join(QUESTION_SOURCES) + "; "
            "subject: the class it is about, null if none; verified: the answer says what is expected, and no "
            "detection contradicts it (null: what is expected cannot be read); confidence: of a yes or no, 0 to 1, "
            "null elsewhere. Empty: nothing could be asked. Synthetic and untrusted text.",
        ),
        column(
            "qa_model",
            pa.string(),
            unit="name",
            null="not asked",
            producer="caption_qa",
            doc="Name of the model that wrote and answered; its weights are in the stage id.",
        ),
        column(
            "qa_prompt_ids",
            pa.list_(pa.string()),
            unit="ids",
            null="not asked",
            producer="caption_qa",
            doc="Ids of the wordings: those of the templates, then that of the prompt that asks for questions, if any.",
        ),
        column(
            "qa_written",
            pa.int32(),
            unit="count",
            null="no caption to ask about, or the reply was no JSON of the form",
            producer="caption_qa",
            doc="Usable questions in the reply of the model that was asked for some about the caption.",
        ),
        column(
            "qa_prompt_tokens",
            pa.int32(),
            unit="count",
            null="not asked",
            producer="caption_qa",
            doc="Tokens of all prompts, those of the images included.",
        ),
        column(
            "qa_completion_tokens",
            pa.int32(),
            unit="count",
            null="not asked",
            producer="caption_qa",
            doc="Tokens that the model wrote, questions and answers.",
        ),
    ]
)

KEPT_QUESTIONS = pa.schema(
    [
        column(
            "qa_kept",
            pa.list_(KEPT_QUESTION),
            unit="questions",
            null="not asked, or asked and not yet answered blind",
            producer="select_questions",
            doc="The questions for the training set: verified, not answered blind too often, yes and no balanced.",
        ),
        column(
            "qa_gated",
            pa.int32(),
            unit="count",
            null="as `qa_kept`, or there is no gate",
            producer="select_questions",
            doc="Verified questions that too many models answered without the image.",
        ),
    ]
)
