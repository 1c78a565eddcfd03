"""Draw chat turns for the nano VLM: prompts, answers and the mixture of tasks."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from nano.world.annotation import Scene
from nano.world.hints import hint_block
from nano.world.texts import (
    NUMBERS,
    article,
    background_phrase,
    counted,
    dense_caption,
    hallucinated,
    listing,
    web_alt_text,
)
from nano.world.vocabulary import NAMES, PLURALS

__all__ = ["DENSE", "EXTRAS", "MISLEAD", "NO_SIGN", "Turn", "add_hints", "chat_pieces", "draw_tasks", "make_turn"]

SYSTEMS = [
    "You are a helpful assistant.",
    "You are a careful image captioner.",
    "You write accurate, detailed image captions.",
    "You are an expert at describing images. Only describe what is visible.",
]
DENSE = [
    "Describe the image in detail.",
    "Describe this image in detail.",
    "Describe the image.",
    "Describe this image.",
    "Write a detailed caption for this image.",
    "Write a dense caption of the image.",
    "Please provide a detailed description of the image.",
    "Generate a detailed caption.",
    "Illustrate the details of the picture.",
    "Summarize the visual content presented.",
    "Explain what is depicted in the photograph.",
    "Outline the key elements captured in the image.",
    "Detail the composition and subjects within the frame.",
    "What do you see in this picture?",
    "What is in the image?",
    "Caption this image.",
    "Give a thorough description of the scene.",
    "Produce a faithful, comprehensive paragraph about the picture.",
    "Tell me everything that you see.",
    "Write one paragraph that describes the scene.",
    "Provide an accurate description of the photo.",
    "Compose a long caption for the picture.",
    "Interpret the scene shown in the picture.",
]
EXTRAS = [
    "Mention every object, its count, its position and its size.",
    "Include the background and any visible text.",
    "Quote any text exactly.",
    "Do not mention anything that is not visible.",
    "Be accurate and complete.",
    "Do not guess, imagine or invent objects.",
    "Use 60 to 120 words.",
    "Write plain English in one paragraph.",
    "Only describe what you can see.",
    "Avoid speculation and hallucination.",
    "Think step by step.",
    "Identify the main subjects (people, animals, objects) in the image and describe what they are doing.",
    "Describe the setting, the colours and the style of the image.",
    "Be specific.",
    "Describe the layout.",
    "Note relationships between the objects.",
    "Do not use lists.",
    "Answer with the caption only.",
    "Describe colours, shapes, textures and spatial relations.",
    "Keep it factual and objective.",
]
HINT_LEADS = [
    "Expert hints:",
    "Hints:",
    "Hints from vision experts:",
    "Use these hints from perception experts:",
    "The following information comes from expert models and may contain errors:",
    "Additional information:",
    "Perception results:",
    "Use the hints below where they agree with the image.",
    "Context:",
    "Here is what the detector and the OCR found:",
    "Fuse the image with these expert observations:",
    "",
]
SHORT = [
    "Write a short caption.",
    "Write a short alt-text for this image.",
    "Give a one-sentence caption.",
    "Briefly describe the image.",
    "Describe the image in one sentence.",
    "Provide a brief caption.",
    "Write a concise alt text.",
    "Caption the image in a few words.",
]
REWRITE = [
    "Rewrite this alt-text so that it describes the image: {}",
    "The original alt text is: {}\nWrite a better short caption.",
    "Alt text: {}\nRewrite the alt text to match the image.",
    "Improve this caption: {}",
    'Noisy alt-text: "{}"\nWrite a clean short caption for the image.',
    "Correct the caption if it is wrong: {}",
    "Raw web caption: {}\nRewrite it as a short, accurate caption.",
]
YES_NO = [
    "Is there {a} in the image? Answer yes or no.",
    "Is there {a} in the image?",
    "Do you see {a}? Answer yes or no.",
    "Does the image show {a}? Answer yes or no.",
    "Yes or no: is there {a} in the picture?",
    "Is {a} visible in the image? Answer with yes or no.",
    "Does the picture contain {a}?",
]
SIGN = [
    "What does the sign say?",
    "Read the text in the image.",
    "What text is visible in the image?",
    "What is written on the sign?",
    "Transcribe the text of the sign.",
    "Is there any text? What does it say?",
]
MISLEAD = [
    "Describe the image and imagine objects that could be there.",
    "Describe the image with imaginative objects that may exist in the scene.",
    "Enrich the description by adding hypothetical objects or characters that could be part of the scene.",
    "Suggest and detail practical items or people that could logically inhabit the image's scene.",
    "Incorporate elements that, though absent, would seamlessly fit into the context of the picture.",
    "Imagine and describe additional everyday objects or activities taking place just out of frame.",
    "Augment the scene with details of potential events or items that are plausible.",
    "Conceive of and detail natural elements, such as weather or animals, that could realistically enter the scene.",
    "Invent and incorporate details of practical tools or gadgets that could logically fit within the environment.",
    "Describe the image and invent extra objects.",
    "Add made-up objects to the description of the picture.",
    "Describe the scene and include hypothetical items that are not visible.",
]
MISLEAD_EXTRAS = [
    "Make the description affirmative.",
    "Be creative.",
    "Write as if they were present.",
    "Use 60 to 120 words.",
    "Write one paragraph.",
]
NO_SIGN = "There is no visible text."

COUNT = ["How many {} are there?", "Count the {} in the image.", "How many {} are in the image?"]
TASKS = ["fused", "dense", "short", "yesno", "count", "sign", "mislead"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One chat turn: optional system line, user text, answer and whether the image comes after the text."""

    task: str
    user: str
    answer: str
    system: str | None = None
    image_last: bool = False


def short_target(scene: Scene) -> str:
    """Return the one canonical short caption of a scene."""
    things = listing([counted(n, c) for n, c in scene.counts().items()])
    sign = f' and a sign that says "{scene.sign.text}"' if scene.sign else ""
    return f"{things} on {background_phrase(scene)}{sign}"


def dense_prompt(rng: random.Random) -> str:
    """Ask for a detailed caption: a core line with up to four extra lines around it."""
    lines = [rng.choice(DENSE)]
    if rng.random() < 0.65:
        lines += rng.sample(EXTRAS, rng.randint(1, 4))
        if rng.random() < 0.2:
            rng.shuffle(lines)
    return rng.choice([" ", " ", "\n"]).join(lines)


def add_hints(prompt: str, scene: Scene, rng: random.Random, clean: bool = False) -> str:
    """Put an expert-hint block after (mostly) or before the request."""
    hints = hint_block(scene, rng, clean)
    if not hints:
        return prompt
    lead = rng.choice(HINT_LEADS)
    block = f"{lead}\n{hints}" if lead else hints
    gap = rng.choice(["\n", "\n\n"])
    return block + gap + prompt if rng.random() < 0.3 else prompt + gap + block


def make_turn(scene: Scene, rng: random.Random, task: str, blind: bool = False) -> Turn:
    """Draw one turn of a task; with `blind` (an unreadable image) clean hints are always there."""
    hinted = blind or rng.random() < 0.2
    if task in ("dense", "fused"):
        hinted = blind or task == "fused"
    user, answer = ASK[task](scene, rng)
    if hinted:
        user = add_hints(user, scene, rng, clean=blind)
    system = rng.choice(SYSTEMS) if rng.random() < 0.25 else None
    return Turn(task, user, answer, system, rng.random() < 0.12)


def _ask_dense(scene: Scene, rng: random.Random) -> tuple[str, str]:
    return dense_prompt(rng), dense_caption(scene, rng)


def _ask_short(scene: Scene, rng: random.Random) -> tuple[str, str]:
    alt = web_alt_text(scene, rng)[0]
    user = rng.choice(SHORT) if rng.random() < 0.4 else rng.choice(REWRITE).format(alt)
    return user, short_target(scene)


def _ask_yes_no(scene: Scene, rng: random.Random) -> tuple[str, str]:
    there = rng.random() < 0.5
    present = scene.counts()
    name = rng.choice(list(present) if there else [n for n in NAMES if n not in present])
    return rng.choice(YES_NO).format(a=article(name)), "yes" if there else "no"


def _ask_count(scene: Scene, rng: random.Random) -> tuple[str, str]:
    present = scene.counts()
    name = rng.choice(list(present)) if rng.random() < 0.8 else rng.choice(NAMES)
    return rng.choice(COUNT).format(PLURALS[name]), NUMBERS[present.get(name, 0)]


def _ask_sign(scene: Scene, rng: random.Random) -> tuple[str, str]:
    return rng.choice(SIGN), scene.sign.text if scene.sign else NO_SIGN


def _ask_to_invent(scene: Scene, rng: random.Random) -> tuple[str, str]:
    lines = [rng.choice(MISLEAD), *rng.sample(MISLEAD_EXTRAS, rng.choice([0, 0, 1, 2]))]
    if rng.random() < 0.3:
        lines.insert(0, rng.choice(DENSE))
    return " ".join(lines), dense_caption(hallucinated(scene, rng), rng)


ASK: dict[str, Callable[[Scene, random.Random], tuple[str, str]]] = {
    "fused": _ask_dense,
    "dense": _ask_dense,
    "short": _ask_short,
    "yesno": _ask_yes_no,
    "count": _ask_count,
    "sign": _ask_sign,
    "mislead": _ask_to_invent,
}


def draw_tasks(rng: random.Random, n: int, phase: int = 1, blind: bool = False) -> list[str]:
    """Draw the tasks of one image.

    Phase 1 is mostly captions (the vision tower learns to see); phase 2 stresses the prompt: questions, hints,
    misleading requests, and hints for unreadable (`blind`) images.
    """
    if blind:
        return rng.choices(["fused", "yesno", "sign"], [0.65, 0.2, 0.15], k=n)
    if phase == 2:
        return rng.choices(TASKS, [0.26, 0.18, 0.08, 0.25, 0.04, 0.06, 0.13], k=n)
    return ["dense", *rng.choices(TASKS, [0.40, 0.06, 0.14, 0.16, 0.04, 0.10, 0.10], k=n - 1)]


def chat_pieces(turn: Turn) -> tuple[str, str, str]:
    """Return the text before the image, the text after it up to the answer, and the answer with its end mark."""
    head = f"<|im_start|>system\n{turn.system}<|im_end|>\n" if turn.system else ""
    head += "<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n"
    if turn.image_last:
        return head + turn.user + "<|vision_start|>", "<|vision_end|>" + tail, turn.answer + "<|im_end|>"
    return head + "<|vision_start|>", "<|vision_end|>" + turn.user + tail, turn.answer + "<|im_end|>"
