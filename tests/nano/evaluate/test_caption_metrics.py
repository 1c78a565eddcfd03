"""Caption metrics are 1 for the truth, and fall for what is left out, invented or misplaced."""

import random

from nano.evaluate.caption_metrics import caption_metrics
from nano.world.annotation import Scene, Sign, Thing
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption

DOG = Thing("dog", (0, 0, 30, 30), "top left", "large")
CAT = Thing("cat", (60, 60, 90, 90), "bottom right", "large")
SCENE = Scene(0, 90, 90, "plain", ("red", "blue"), (DOG, CAT), Sign("OPEN", (40, 40, 50, 50), "centre", "white"))


def measure(text):
    return caption_metrics({"a": text}, {"a": SCENE})


def test_true_dense_captions_are_perfect():
    drawn = {str(seed): make_scene(seed)[1] for seed in range(30)}
    texts = {uid: dense_caption(scene, random.Random(uid)) for uid, scene in drawn.items()}
    found = caption_metrics(texts, drawn)
    assert (found.object_recall, found.object_precision, found.hallucination_rate) == (1.0, 1.0, 0.0)
    assert (found.position_accuracy, found.sign_text_recall) == (1.0, 1.0)
    assert found.count_accuracy == 1.0
    assert found.signs == sum(scene.sign is not None for scene in drawn.values())


def test_what_is_left_out_lowers_recall_and_what_is_invented_lowers_precision():
    found = measure("The image shows a dog, a car and a bus.")
    assert (found.object_recall, found.object_precision, found.hallucination_rate) == (0.5, 0.333, 0.667)


def test_a_position_counts_only_where_the_object_is():
    assert measure("A large dog is in the top left of the frame.").position_accuracy == 0.5
    assert measure("A large dog is in the top right of the frame.").position_accuracy == 0.0


def test_a_count_is_right_or_wrong_by_its_first_mention():
    assert measure("A dog and two cats. One cat sleeps.").count_accuracy == 0.5
    assert measure("The dog and the cat.").count_accuracy == 0.0


def test_a_sign_must_be_quoted_in_full_but_its_words_are_no_objects():
    assert measure('A sign reads "open".').sign_text_recall == 1.0
    assert measure('A sign reads "OPE".').sign_text_recall == 0.0
    assert measure('A sign reads "CAT DOG".').object_recall == 0.0


def test_nothing_to_count_is_null():
    empty = caption_metrics({}, {})
    assert (empty.captions, empty.object_recall, empty.sign_text_recall) == (0, None, None)
    assert measure("Nothing.").hallucination_rate is None
