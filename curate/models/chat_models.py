"""What Curate knows of chat models that see: one row a family, from the models' own configs and cards."""

import functools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from curate.models.image_sizes import (
    AnyResolution,
    Filled,
    Fixed,
    ImageSizes,
    Patches,
    RowPatches,
    Splits,
    Tiles,
)

__all__ = ["FAMILIES", "UNKNOWN", "ChatFacts", "Place", "Thinking", "chat_facts", "without_thoughts"]

Place: TypeAlias = Literal["fraction", "pixels", "thousandths", "words"]
"""How boxes are written."""

Thinking: TypeAlias = Literal["no", "switch", "always"]


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What is true of a model family, whoever asks it what.

    `images`: how its processor sizes an image. `place`: how boxes were written in its training. `thinking`: "switch"
    thinks before it answers unless the chat template is told `enable_thinking=False`, "always" cannot be told.
    `types` are the `model_type` of its config.json; `names`, a pattern, is what its published names have in common.
    All of them take a system message. An image comes before the text about it.
    """

    family: str
    types: tuple[str, ...]
    names: str
    images: ImageSizes
    place: Place = "fraction"
    thinking: Thinking = "no"

    @property
    def template(self) -> dict[str, Any]:
        """What the chat template must be told so that the model answers at once."""
        return {"enable_thinking": False} if self.thinking == "switch" else {}


# Sizes: preprocessor_config.json of the models; tests/curate/models/test_chat_models.py compares the arithmetic with
# the processors. Places: Qwen2.5-VL writes absolute pixels of the image after its resize; Qwen2-VL, Qwen3-VL and
# InternVL whole numbers 0 to 1000 (ms-swift's Custom-dataset.md and the cards). Others that write boxes at all have an
# order of their own (Gemini's y before x), so they get fractions, which say what they are. First match counts.
FAMILIES: Final[tuple[ChatFacts, ...]] = (
    ChatFacts("Qwen3-VL-Thinking", (), r"qwen-?3-?vl.*thinking", Patches(32, 65536, 4096**2), "thousandths", "always"),
    ChatFacts(
        "Qwen3-VL", ("qwen3_vl", "qwen3_vl_moe"), r"qwen-?3-?(?:vl|omni)", Patches(32, 65536, 4096**2), "thousandths"
    ),
    ChatFacts(
        "Qwen3.5", ("qwen3_5", "qwen3_5_moe"), r"qwen-?3\.[5-9]", Patches(32, 65536, 4096**2), "thousandths", "switch"
    ),
    ChatFacts("Qwen2.5-VL", ("qwen2_5_vl",), r"qwen-?2\.5-?(?:vl|omni)", Patches(28), "pixels"),
    ChatFacts("Qwen2-VL", ("qwen2_vl",), r"qwen-?2-?vl|qvq", Patches(28), "thousandths"),
    ChatFacts(
        "InternVL", ("internvl_chat", "internvl"), r"intern-?vl-?(?:2|3|u|chat)?", Tiles(448, 256), "thousandths"
    ),
    ChatFacts("LLaVA-OneVision", ("llava_onevision",), r"llava-?onevision|llava-?ov", AnyResolution()),
    ChatFacts("SmolVLM2 2.2B", (), r"smolvlm.*2\.2b|smolvlm-?instruct|smolvlm-?base", Splits(384, 81, 1536)),
    ChatFacts("SmolVLM", ("smolvlm", "idefics3"), r"smolvlm|idefics3", Splits(512, 64, 2048)),
    ChatFacts("Gemma 3", ("gemma3",), r"gemma-?3(?!n)", Fixed(896, 256)),
    ChatFacts("Gemma 4", ("gemma4",), r"gemma-?4", Filled()),
    ChatFacts("Mistral 3", ("mistral3",), r"mistral-small-3|ministral-3|magistral", RowPatches(28, 1540)),
    ChatFacts("Pixtral", ("pixtral",), r"pixtral", RowPatches(16, 1024)),
    ChatFacts("GLM-4.1V", (), r"glm-?4\.1v", Patches(28, 112**2, 9633792, frames=2), thinking="always"),
    ChatFacts(
        "GLM-V", ("glm4v", "glm4v_moe"), r"glm-?4\.\d+v", Patches(28, 112**2, 9633792, frames=2), thinking="switch"
    ),
)

UNKNOWN: Final = ChatFacts("unknown", (), "", Patches(28, min_pixels=28 * 28))
"""What is taken for a model that no row describes: sizes in whole 28 px, boxes as fractions, no thinking.

Nothing is wrong then, but its processor may scale images once more, and boxes are not in the form it knows best.
"""


def chat_facts(model: str) -> ChatFacts:
    """Return the facts of a model: of a local folder by its config.json, of a name by the name; else `UNKNOWN`.

    In a folder the sizes are those of its own processor's file, where it has one. A name is not looked up anywhere, so
    that the answer is the same on every machine.

    >>> chat_facts("Qwen/Qwen2.5-VL-7B-Instruct").images.unit_px, chat_facts("Qwen/Qwen3-VL-8B-Instruct").images.unit_px
    (28, 32)
    >>> chat_facts("Qwen/Qwen3.5-9B").template, chat_facts("somebody/model").family
    ({'enable_thinking': False}, 'unknown')
    """
    folder = Path(model).expanduser()
    if (folder / "config.json").is_file():
        return _of_folder(folder.resolve())
    name = re.sub(r"[\s_]+", "-", model.casefold()).replace("2-5-vl", "2.5-vl")
    return next((facts for facts in FAMILIES if re.search(facts.names, name)), UNKNOWN)


def without_thoughts(text: str, thinking: Thinking) -> str:
    r"""Return the answer in a completion: what stands after its think block; "" if the block has no end.

    A model that does not think may quote `</think>` from an image: there only a block that opens the text counts.

    >>> without_thoughts("<think>A dog?</think>\nA dog.", "no"), without_thoughts("Hm.</think>A cat.", "always")
    ('A dog.', 'A cat.')
    """
    opened = text.lstrip().startswith("<think>")
    if not opened and thinking == "no":
        return text
    before, closed, answer = text.partition("</think>")
    if closed:
        return re.sub(r"^\s*<answer>|</answer>\s*$", "", answer).strip()
    return "" if opened or thinking == "always" else before


@functools.lru_cache(maxsize=64)
def _of_folder(folder: Path) -> ChatFacts:
    config = _json(folder / "config.json")
    kind = config.get("model_type")
    if kind == "llava" and config.get("vision_config", {}).get("model_type") == "pixtral":
        kind = "pixtral"
    facts = next((facts for facts in FAMILIES if kind in facts.types), UNKNOWN)
    if facts.thinking == "no" and facts.family == "Qwen3-VL" and _opens_thoughts(folder):
        facts = replace(facts, thinking="always")
    nested = _json(folder / "processor_config.json")
    processor = nested | _json(folder / "preprocessor_config.json") | nested.get("image_processor", {})
    return replace(facts, images=_sizes(facts.images, config, processor))


def _opens_thoughts(folder: Path) -> bool:
    """Tell whether the generation prompt of the chat template itself opens a think block."""
    template = folder / "chat_template.jinja"
    text = template.read_text(encoding="utf-8") if template.is_file() else ""
    text = text or str(_json(folder / "chat_template.json") or _json(folder / "tokenizer_config.json"))
    return re.search(r"assistant(?:\\+n|\n)<think>(?:\\+n|\n)['\"]\s*-?}}", text) is not None


def _sizes(rule: ImageSizes, config: dict[str, Any], processor: dict[str, Any]) -> ImageSizes:
    """Return the rule with the numbers of a model's own files, where they have them."""
    size = processor.get("size") or {}
    longest = size.get("longest_edge")
    if isinstance(rule, Patches):
        patch, merge = processor.get("patch_size"), processor.get("merge_size")
        return replace(
            rule,
            unit_px=patch * merge if patch and merge else rule.unit_px,
            min_pixels=processor.get("min_pixels") or size.get("shortest_edge") or rule.min_pixels,
            max_pixels=processor.get("max_pixels") or longest or rule.max_pixels,
        )
    if isinstance(rule, Tiles):
        most = config.get("max_dynamic_patch") or processor.get("max_patches") or rule.most
        return replace(rule, most=most)
    if isinstance(rule, RowPatches):
        patch = processor.get("patch_size") or config.get("vision_config", {}).get("patch_size")
        patch = patch.get("height") if isinstance(patch, dict) else patch
        unit = patch * (config.get("spatial_merge_size") or 1) if patch else rule.unit_px
        return RowPatches(unit, longest or rule.longest_px)
    if isinstance(rule, Splits):
        tile = (processor.get("max_image_size") or {}).get("longest_edge") or rule.unit_px
        return Splits(tile, processor.get("image_seq_len") or rule.tile_tokens, longest or rule.longest_px)
    if isinstance(rule, Fixed):
        return Fixed(size.get("height") or rule.unit_px, config.get("mm_tokens_per_image") or rule.image_tokens)
    return rule


def _json(file: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one for a file that is none: whoever loads the model says what is wrong."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
