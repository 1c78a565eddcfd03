"""Equal seeds give equal scenes and texts, today and on every machine."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from nano.world.annotation import Scene
from nano.world.hints import hint_block
from nano.world.scenes import make_scene
from nano.world.tasks import chat_pieces, draw_tasks, make_turn
from nano.world.texts import (
    dense_caption,
    hallucinated,
    hard_negative,
    mentioned,
    short_caption,
    sign_found,
    web_alt_text,
)

GOLDENS = json.loads((Path(__file__).parent.parent / "goldens.json").read_text())


def digest(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def draw_texts(scene, rng):
    for _ in range(4):
        yield short_caption(scene, rng)
        yield dense_caption(scene, rng)
        yield dense_caption(hallucinated(scene, rng), rng)
        yield short_caption(hard_negative(scene, rng), rng)
        yield from web_alt_text(scene, rng)
        yield hint_block(scene, rng)
        yield hint_block(scene, rng, clean=True)


def draw_turns(scene, rng):
    for phase, blind in ((1, False), (2, False), (2, True)):
        for task in draw_tasks(rng, 6, phase, blind):
            yield chat_pieces(make_turn(scene, rng, task, blind))


@pytest.mark.parametrize("golden", GOLDENS["scenes"], ids=lambda g: str(g["seed"]))
def test_a_seed_gives_the_same_truth_texts_and_chat_turns_for_ever(golden):
    _, scene = make_scene(golden["seed"], golden["size"] and tuple(golden["size"]))
    rng = random.Random(golden["seed"])
    assert digest(scene.to_dict()) == golden["scene"]
    assert digest(list(draw_texts(scene, rng))) == golden["texts"]
    assert digest(list(draw_turns(scene, rng))) == golden["turns"]
    assert rng.getrandbits(32) == golden["next"]


@pytest.mark.parametrize("golden", GOLDENS["scenes"], ids=lambda g: str(g["seed"]))
def test_a_seed_gives_the_same_image_to_the_bit_with_equal_pillow(golden):
    image, _ = make_scene(golden["seed"], golden["size"] and tuple(golden["size"]))
    coarse = np.array(image.resize((4, 4), Image.Resampling.BOX)).flatten().astype(int)
    assert np.abs(coarse - golden["coarse"]).max() <= 2
    if GOLDENS["pillow"] == PIL.__version__:
        assert digest(image.tobytes()) == golden["pixels"]


def test_a_scene_survives_json():
    for seed in range(20):
        _, scene = make_scene(seed)
        assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_a_caption_mentions_what_it_was_made_from_but_not_the_words_of_the_sign():
    for seed in range(40):
        _, scene = make_scene(seed)
        text = dense_caption(scene, random.Random(seed))
        assert mentioned(text) == set(scene.counts())
        assert sign_found(text, scene) == (scene.sign is not None)
    assert mentioned('Two buses, a pair of scissors and a sign that reads "DOG FISH".') == {"bus", "scissors"}


def test_a_hard_negative_differs_from_the_truth_in_one_respect():
    for seed in range(40):
        _, scene = make_scene(seed)
        fake = hard_negative(scene, random.Random(seed))
        parts = [(scene.sign, fake.sign), (scene.background, fake.background), (scene.objects, fake.objects)]
        assert sum(a != b for a, b in parts) == 1
