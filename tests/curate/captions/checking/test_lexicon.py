import pickle
import random
import time
from itertools import pairwise

import pytest

from curate.captions.checking.lexicon import Lexicon, quotes, read_lexicon
from curate.errors import PlanError
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, mentioned
from nano.world.vocabulary import NAMES, PLURALS

COCO = read_lexicon("coco80")
NANO = read_lexicon("nano/lexicon.toml")
CLASSES = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter "
    "bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee "
    "skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle "
    "wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake "
    "chair couch potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven "
    "toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush "
)
COCO_80 = CLASSES.split()


def named(text, lexicon=COCO):
    return [(mention.label, mention.count) for mention in lexicon.mentions(text)]


def test_the_coco_lexicon_knows_the_80_classes_as_detectors_spell_them():
    assert [COCO.label_of(name) for name in COCO_80] == [name.replace("_", " ") for name in COCO_80]
    assert [label for label, _ in COCO.labels] == [name.replace("_", " ") for name in COCO_80]


def test_the_nano_lexicon_knows_the_words_of_its_world():
    assert [label for label, _ in NANO.labels] == NAMES
    assert [NANO.label_of(PLURALS[name]) for name in NAMES] == NAMES
    for i in range(100):
        scene = make_scene(4_000_000_000_000 + i)[1]
        text = dense_caption(scene, random.Random(i))
        assert {label for label, count in named(text, NANO) if count != 0} == mentioned(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two puppies and a kitten.", [("dog", 2), ("cat", 1)]),
        ("A hot dog, hot-dogs and a dog", [("hot dog", 1), ("hot dog", None), ("dog", 1)]),
        ("a teddy bear beside the bear", [("teddy bear", 1), ("bear", None)]),
        ("A sign bears the words", []),
        ("a dog house, a doghouse, a dog-like shape, catalogue", []),
        ("the dog\u2019s bowl and the dog's lead", [("dog", None), ("bowl", None), ("dog", None)]),
        ("THREE DOGS", [("dog", 3)]),
        ("12 sheep, 3 fish", [("sheep", 12)]),
        ("both very old cats", [("cat", 2)]),
        ("a couple of horses and a pair of scissors", [("horse", 2), ("scissors", 1)]),
        ("a dozen bottles", [("bottle", 12)]),
        ("a group of people", [("person", None)]),
        ("a man riding horses", [("person", 1), ("horse", None)]),
        ("three plates with apples", [("apple", None)]),
        ("two men on a horse", [("person", 2), ("horse", 1)]),
        ("several birds, many boats, some books", [("bird", None), ("boat", None), ("book", None)]),
        ("There are no cars, people or dogs; a cat sits.", [("car", 0), ("person", 0), ("dog", 0), ("cat", 1)]),
        ("without a hat or a bicycle", [("bicycle", 1)]),
        ("It isn't a cat and not a dog.", [("cat", 0), ("dog", 0)]),
        ("Neither cats nor dogs.", [("cat", 0), ("dog", 0)]),
        ("twenty-five cupcakes and half a dozen donuts", [("cake", 25), ("donut", 6)]),
        ("A couple sits by a crowd.", [("person", None), ("person", None)]),
        ("a couple of cats", [("cat", 2)]),
        ("A skier with ski poles near the ski lift, an apple pie, car keys", [("person", 1)]),
        ("a horse-drawn carriage", []),
        ("an orange sky over an orange, oranges", [("orange", 1), ("orange", None)]),
        ("a baby elephant", [("elephant", 1)]),
        ("A baby in a chair", [("person", 1), ("chair", 1)]),
        ("a grilled chicken sandwich", [("sandwich", 1)]),
        ("A sign reads \"TWO DOGS\" and 'CATS' over a car", [("car", 1)]),
        ("犬がいる。 Ein Hund.", []),
        ("", []),
    ],
)
def test_mentions(text, expected):
    assert named(text) == expected


def test_offsets_count_characters_whatever_the_script():
    text = "In İstanbul, \uff44\uff45\uff52 🐕: two dogs, straße, a cat"
    assert [text[m.start : m.end] for m in COCO.mentions(text)] == ["dogs", "cat"]


def test_mentions_are_in_order_and_do_not_overlap():
    found = COCO.mentions("Two dogs, a hot dog stand, the cat and the stop sign near a bus stop " * 5)
    assert all(one.end <= other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("It says “NO ENTRY”.", ["NO ENTRY"]),
        ("Signs: 'STOP' and \"GO\".", ["STOP", "GO"]),
        ("The dogs' owner's car isn't 6\" wide.", []),
        ("\u2018don\u2019t walk\u2019", ["don\u2019t walk"]),
        ("写着「停车」和“出口”", ["停车", "出口"]),
        ("„Bäckerei“ und «café»", ["Bäckerei", "café"]),
        ('an open " mark', []),
    ],
)
def test_quotations(text, inside):
    assert [content for _, _, content in quotes(text)] == inside


def test_the_identity_is_the_name_and_a_digest():
    other = Lexicon("coco80", (*COCO.labels, ("rat", ())))
    assert repr(COCO) != repr(other)
    assert len(repr(COCO)) < 60
    assert pickle.loads(pickle.dumps(COCO)) == COCO
    assert repr(read_lexicon("coco80")) == repr(COCO)


def test_a_file_that_is_no_lexicon_is_one_sentence(tmp_path):
    bad = tmp_path / "bad.toml"
    for content in (
        "dog = 1",
        "[labels",
        "labels = 3",
        "[labels]\ndog = 3",
        "[labels]\ndog = 'pet'",
        "[labels]\ndog = ['pet']\ncat = ['pet']",
    ):
        bad.write_text(content)
        with pytest.raises(PlanError, match="lexicon"):
            read_lexicon(str(bad))
    with pytest.raises(PlanError, match="coco80"):
        read_lexicon("lvis2000")


@pytest.mark.parametrize(
    "text", ["a dog. " * 20_000, '"' * 100_000, "'a " * 50_000, "\u2018a" * 50_000, "no " * 60_000]
)
def test_mentions_are_linear_on_hostile_text(text):
    start = time.thread_time()
    COCO.mentions(text)
    assert time.thread_time() - start < 3
