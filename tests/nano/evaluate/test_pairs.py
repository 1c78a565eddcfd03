import json
import random

from nano.evaluate.calibration import captions, richness, write
from nano.evaluate.pairs import false_colours, is_worse, true_evidence
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, fake_object

SCENES = [make_scene(4_000_000_700_000 + i)[1] for i in range(20)]


def test_truth_finds_true_captions_right_and_invented_objects_worse():
    for i, scene in enumerate(SCENES):
        text = dense_caption(scene, random.Random(i))
        extra = f"{text} There is also a {fake_object(scene, random.Random(i)).name}."
        assert true_evidence(scene).claims(text).wrong == 0
        assert is_worse("added_object", {"pair_chosen": text, "pair_rejected": extra}, scene)
        assert not is_worse("added_object", {"pair_chosen": extra, "pair_rejected": text}, scene)


def test_true_captions_have_no_false_colour():
    for i, scene in enumerate(SCENES):
        assert false_colours(dense_caption(scene, random.Random(i)), scene) == 0


def test_labels_follow_from_how_a_caption_was_made():
    for i, scene in enumerate(SCENES):
        made = {kind: (text, ita) for kind, text, ita in captions(scene, SCENES[i - 1], random.Random(i))}
        assert richness(made["true"][0], scene) == 5
        assert richness(made["short"][0], scene) < 5
        assert {kind for kind, (_, ita) in made.items() if ita == 5} == {"true", "short", "beginning"}


def test_a_set_is_the_same_again(tmp_path):
    assert write(tmp_path / "a", 2) == write(tmp_path / "b", 2) == 12
    first, second = ((tmp_path / name / "set.jsonl").read_bytes() for name in "ab")
    assert first == second
    assert set(json.loads(first.splitlines()[0])) == {"image", "caption", "kind", "vir", "ita"}
