"""A preference pair: two descriptions of one image, of which the first is better."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["EDIT_KINDS", "MISLEADING_KINDS", "PAIR_KINDS", "PREFERENCE"]

EDIT_KINDS = (
    "added_object",
    "changed_text",
    "missing_text",
    "swapped_object",
    "wrong_attribute",
    "wrong_count",
    "wrong_position",
)
"""What a minimal edit of a good caption made wrong."""

PAIR_KINDS = ("corrupted_image", "misleading_prompt", "ranked_samples", *EDIT_KINDS)
"""How the rejected side was made."""

MISLEADING_KINDS = (
    "imagined_objects",
    "imagined_characters",
    "practical_items",
    "fitting_elements",
    "beyond_frame",
    "plausible_events",
    "natural_elements",
    "invented_tools",
)
"""STIC's eight ways to invite a hallucination, in its order."""

NULL = "not chosen for a pair, or no kind was possible"
EDITED = f"{NULL}, or the rejected text is not an edit"
WRITTEN = f"{NULL}, or the text is the sample's own caption or an edit of it"
EDIT = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("before", pa.string()), ("after", pa.string())])


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = NULL) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="preference_pair", doc=doc)


PREFERENCE = pa.schema(
    [
        _column(
            "pair_prompt",
            pa.string(),
            "text",
            "The neutral prompt that both sides are stored under for training; it generated neither, "
            "unless it equals `pair_rejected_prompt`.",
        ),
        _column("pair_chosen", pa.string(), "text", "The better text; see `pair_kind` for where it comes from."),
        _column("pair_rejected", pa.string(), "text", "The worse text, see `pair_kind`."),
        _column("pair_chosen_prompt", pa.string(), "text", "The prompt that generated `pair_chosen`.", WRITTEN),
        _column("pair_rejected_prompt", pa.string(), "text", "The prompt that generated `pair_rejected`.", WRITTEN),
        _column("pair_chosen_prompt_id", pa.string(), "id", "Its id.", WRITTEN),
        _column("pair_rejected_prompt_id", pa.string(), "id", "Its id.", WRITTEN),
        _column(
            "pair_kind",
            pa.string(),
            "name",
            "How the worse text was made. `corrupted_image`: from a corrupted image; `misleading_prompt`: by one "
            "that invites a hallucination; `ranked_samples`: the candidate with the lowest evidence score, the better "
            "one has the highest. The others are minimal edits of the sample's caption: " + ", ".join(EDIT_KINDS) + ".",
        ),
        _column(
            "pair_misleading_kind",
            pa.string(),
            "name",
            "Which of STIC's eight kinds the misleading prompt is: " + ", ".join(MISLEADING_KINDS) + ".",
            f"{NULL}, or the prompt is not a misleading one, or none of the eight by its id",
        ),
        _column(
            "pair_corruption",
            pa.string(),
            "name",
            "What was done to the image: `low_resolution`, `color_jitter`, `blur`, `jpeg`, `noise`, `occlusion` or "
            "`crop`.",
            f"{NULL}, or the image was clean",
        ),
        _column(
            "pair_corruption_parameters",
            pa.string(),
            "JSON",
            "Its parameters, enough to do it again.",
            f"{NULL}, or the image was clean",
        ),
        _column(
            "pair_edits",
            pa.list_(EDIT),
            "spans",
            "What was changed: characters `start` to `end` (exclusive) of `pair_chosen` are `before` and became "
            "`after`; in order, without overlap. Applied together they give `pair_rejected`.",
            EDITED,
        ),
        _column(
            "pair_candidates",
            pa.int32(),
            "count",
            "Texts that were sampled to take the best and the worst of.",
            f"{NULL}, or the kind is not `ranked_samples`",
        ),
        _column(
            "pair_length_log_ratio",
            pa.float32(),
            "log ratio",
            "Natural logarithm of the words of the better text over those of the worse: 0 equally long, 0.69 twice.",
            f"{NULL}, or a text has no words",
        ),
        _column(
            "pair_image_sha256",
            pa.string(),
            "hex",
            "Digest of size and RGB pixels of the image that the better text is about, at its pixel budget.",
            f"{NULL}, or the stage makes edits only and looks at no image",
        ),
        _column(
            "pair_rejected_image_sha256",
            pa.string(),
            "hex",
            "The same of the image that the worse text is about; differs exactly when it was corrupted.",
            f"{NULL}, or the stage makes edits only and looks at no image",
        ),
        _column(
            "pair_model",
            pa.string(),
            "name",
            "Name of the model that wrote both.",
            WRITTEN,
        ),
        _column(
            "pair_prompt_tokens",
            pa.int32(),
            "count",
            "Tokens of all generating prompts with their images; 0 for an edit.",
        ),
        _column("pair_completion_tokens", pa.int32(), "count", "Tokens of all texts that were written for the pair."),
        _column(
            "pair_finish_reasons",
            pa.list_(pa.string()),
            "names",
            "Why the model stopped: the better text first, then the worse; empty for an edit.",
        ),
    ]
)
