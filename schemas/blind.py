"""What models answer to the questions of `qa` without seeing the image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["BLIND", "BLIND_ANSWER"]

BLIND_ANSWER = pa.struct([("answers", pa.list_(pa.string())), ("right", pa.list_(pa.bool_())), ("hits", pa.int32())])

BLIND = pa.schema(
    [
        column(
            "qa_blind",
            pa.list_(BLIND_ANSWER),
            unit="answers",
            null="not asked",
            producer="blind_answers",
            doc="One entry per question of `qa`, in its order: the answer of each blind model, whether it is right "
            "(the verifier of the question's kind says so), and how many are. All null for a question that cannot be "
            "verified.",
        ),
        column(
            "qa_blind_models",
            pa.list_(pa.string()),
            unit="names",
            null="not asked",
            producer="blind_answers",
            doc="The blind models, in the order of their answers; a second one of the same name ends in `#2`. `(grey)` "
            "marks those that were shown a grey image instead of none.",
        ),
    ]
)
