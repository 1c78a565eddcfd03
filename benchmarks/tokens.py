# ruff: noqa: RUF001 - texts in other scripts
"""Compare `estimate_tokens` with real tokenizers that lie on this machine.

    python -m benchmarks.tokens

Prints estimate over truth: in total, and the least and the greatest of the texts. Tekken (131k tokens) is the nearest
to the vocabularies of Qwen, Llama 3 and Gemma that can be had offline; mistral v3 has 32k, CLIP 49k, nano 4k.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from curate.captions.prompting.prompts import BUNDLED
from curate.captions.prompting.tokens import estimate_tokens
from nano.world.hints import hint_block
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, web_alt_text

__all__ = ["ratios", "texts", "tokenizers"]

NANO = Path(__file__).resolve().parent.parent / "nano" / "vlm" / "tokenizer.json"
LABELS = ["person", "traffic light", "dining table", "refrigerator", "skateboard", "wine glass"]
ENGLISH = [  # our own
    "The Eiffel Tower at night, seen from the Trocadero gardens in Paris, France",
    "Vintage 1967 Ford Mustang GT fastback, restored, candy apple red - front view",
    "Gluten-free chocolate chip cookies on a cooling rack with a glass of milk",
    "Men's waterproof hiking boots size 10.5 US | FREE shipping over $49.99",
    "Portrait of Queen Elizabeth II by Pietro Annigoni, 1955, oil on canvas",
    "RESERVED PARKING TOW-AWAY ZONE MON-FRI 8AM-6PM",
    "https://www.example.com/product/12345-blue-widget?ref=home",
    "Infographic: how photosynthesis works (chloroplast, thylakoid membranes, ATP synthase)",
]
EUROPEAN = [
    "Der Kölner Dom bei Sonnenuntergang mit der Hohenzollernbrücke",
    "Château de Versailles, façade côté jardin, été 2019",
    "Niños jugando al fútbol en la playa de Málaga",
    "Красная площадь в Москве зимой, вид на собор Василия Блаженного",
    "İstanbul Boğazı'nda günbatımı ve Galata Kulesi",
    "Tòa nhà Quốc hội Việt Nam tại Hà Nội",
]
ASIAN = [
    "東京タワーの夜景と満月",
    "长城在秋天的景色，游客很多",
    "서울 경복궁의 봄 벚꽃",
    "清水寺の紅葉ライトアップ2022年11月",
]
OTHERS = ["منظر غروب الشمس فوق الأهرامات في الجيزة", "ताजमहल आगरा में सूर्योदय के समय", "วัดพระแก้วในกรุงเทพมหานคร"]


def tokenizers() -> dict[str, Callable[[str], int]]:
    """Return how many tokens a text has, by tokenizer."""
    import mistral_common
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    from open_clip.tokenizer import SimpleTokenizer
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer

    data = Path(str(mistral_common.__file__)).parent / "data"
    tekken, nano, clip = (
        Tekkenizer.from_file(data / "tekken_240911.json"),
        Tokenizer.from_file(str(NANO)),
        SimpleTokenizer(),
    )
    pieces = SentencePieceProcessor(str(data / "mistral_instruct_tokenizer_240323.model.v3"))
    return {
        "tekken": lambda text: len(tekken.encode(text, bos=False, eos=False)),
        "mistral v3": lambda text: len(pieces.encode(text)),
        "CLIP": lambda text: len(clip.encode(text)),
        "nano": lambda text: len(nano.encode(text).ids),
    }


def texts() -> dict[str, list[str]]:
    """Return texts as hints hold them, by kind."""
    rng = random.Random(0)
    scenes = [make_scene(4_000_000_500_000 + i)[1] for i in range(60)]

    def boxes(write: Callable[[float], str]) -> list[str]:
        places = (", ".join(write(rng.random()) for _ in range(4)) for _ in range(240))
        lines = [f"- {rng.choice(LABELS)}: [{place}]" for place in places]
        return ["\n".join(lines[i : i + 12]) for i in range(0, 240, 12)]

    return {
        "boxes 0.000": boxes(lambda value: f"{value:.3f}"),
        "boxes 0-1000": boxes(lambda value: str(round(1000 * value))),
        "nano hint blocks": [block for scene in scenes if (block := hint_block(scene, rng))],
        "nano alt texts": [web_alt_text(scene, rng)[0] for scene in scenes],
        "nano captions": [dense_caption(scene, rng) for scene in scenes],
        "prompt files": [part for prompt in BUNDLED.values() for part in (prompt.system, prompt.text) if part],
        "English alt texts": ENGLISH,
        "other Latin, Cyrillic": EUROPEAN,
        "Chinese, Japanese, Korean": ASIAN,
        "Arabic, Hindi, Thai": OTHERS,
    }


def ratios(kind: Sequence[str], count: Callable[[str], int]) -> tuple[float, float, float]:
    """Return estimate over truth: of all texts together, the least, the greatest."""
    pairs = [(estimate_tokens(text), count(text)) for text in kind]
    each = [guess / true for guess, true in pairs]
    return sum(guess for guess, _ in pairs) / sum(true for _, true in pairs), min(each), max(each)


def table(kinds: Mapping[str, Sequence[str]], counts: Mapping[str, Callable[[str], int]]) -> str:
    """Return a Markdown table of ratios, a kind of text a line."""
    lines = ["| texts | " + " | ".join(counts) + " |", "|---" * (len(counts) + 1) + "|"]
    for name, kind in kinds.items():
        cells = ("{:.2f} ({:.2f}-{:.2f})".format(*ratios(kind, count)) for count in counts.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(texts(), tokenizers()))
