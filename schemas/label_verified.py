"""Answers with reasons that a known label has verified."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["LABEL_OUTCOMES", "LABEL_VERIFIED"]

LABEL_OUTCOMES = ("direct", "failed", "rationalised")
"""How an answer came to be: without help, not at all, or after the label was told."""

LABEL_VERIFIED = pa.schema(
    [
        column(
            "labelled_question",
            pa.string(),
            unit="text",
            null="the sample has no label or no question",
            producer="label_verified",
            doc="The question as it was asked, without the request for a form of answer.",
        ),
        column(
            "labelled_answer",
            pa.string(),
            unit="text",
            null="as `labelled_question`",
            producer="label_verified",
            doc="The last answer: the first one where it is right, else the one after the label was told. Synthetic.",
        ),
        column(
            "labelled_rationale",
            pa.string(),
            unit="text",
            null="as `labelled_question`, or the answer came without a reason",
            producer="label_verified",
            doc="The reason that came with `labelled_answer`. Synthetic.",
        ),
        column(
            "labelled_outcome",
            pa.string(),
            unit="name",
            null="as `labelled_question`, or the label cannot be read by the verifier",
            producer="label_verified",
            doc="direct: right without help; rationalised: right after the label was told, and more often made up; "
            "failed: wrong even then. Only direct ones are for training (Video-STaR).",
        ),
        column(
            "labelled_label",
            pa.string(),
            unit="text",
            null="as `labelled_question`",
            producer="label_verified",
            doc="The label that the answer was verified against, as text. Untrusted.",
        ),
        column(
            "labelled_first_answer",
            pa.string(),
            unit="text",
            null="as `labelled_question`, or the first answer was right",
            producer="label_verified",
            doc="The wrong answer that was given before the label was told.",
        ),
        column(
            "labelled_model",
            pa.string(),
            unit="name",
            null="as `labelled_question`",
            producer="label_verified",
            doc="Name of the model that answered; its weights are in the stage id.",
        ),
        column(
            "labelled_prompt_tokens",
            pa.int32(),
            unit="count",
            null="as `labelled_question`",
            producer="label_verified",
            doc="Tokens of the prompts of both rounds, those of the image included.",
        ),
        column(
            "labelled_completion_tokens",
            pa.int32(),
            unit="count",
            null="as `labelled_question`",
            producer="label_verified",
            doc="Tokens that the model wrote in both rounds.",
        ),
    ]
)
