import time

import pytest

from curate.captions.checking.guards import PATTERNS, Guards
from curate.captions.prompting.prompts import FUSION_V1
from schemas.caption import CAPTION_MARKS

GOOD = (
    'Two brown dogs run along a wet beach under a grey sky. A red sign on a pole to their left reads "NO SWIMMING". '
    "Behind them a wooden pier reaches into the sea, and three gulls sit on its rail."
)


def marks(caption, finish_reason="stop"):
    return Guards().mark(caption, finish_reason, FUSION_V1)


@pytest.mark.parametrize(
    "text", ["It is from the nineties (1990, 1995).", "Room 12, 3rd floor, 0.5 l.", "It costs 3,500 [sic], or [1]."]
)
def test_numbers_that_are_no_coordinates_earn_no_mark(text):
    assert marks(f"{GOOD} {text}") == []


def test_a_plain_factual_caption_earns_no_mark():
    assert marks(GOOD) == []


@pytest.mark.parametrize(
    ("planted", "mark"),
    [
        ("The dog is at [0.12, 0.30, 0.55, 0.91].", "leaked_coordinates"),
        ("The dog is at (12, 30, 155, 291).", "leaked_coordinates"),
        ("One dog stands at 0.123, 0.456.", "leaked_coordinates"),
        ("The bounding box covers a dog.", "leaked_coordinates"),
        ("The dog stands at [100, 200].", "leaked_coordinates"),
        ("The dog stands at (512, 384).", "leaked_coordinates"),
        ("The dog (0.1, 0.25) barks.", "leaked_coordinates"),
        ("The dog is at 0.123 0.456 0.789 0.912 here.", "leaked_coordinates"),
        ("The dog (12,30),(155,291) barks.", "leaked_coordinates"),
        ('{"bbox_2d": [12, 30]} is a dog.', "leaked_coordinates"),
        ("One dog is at coordinates (120, 40).", "leaked_coordinates"),
        ("According to the notes, a dog barks.", "leaked_prompt"),
        ("According to the world knowledge, it is Brighton.", "leaked_prompt"),
        ("The alt text says so.", "leaked_prompt"),
        ("The detected objects include a dog.", "leaked_prompt"),
        ("The sentence structure is simple.", "leaked_prompt"),
        ("This is a real-world photograph.", "leaked_prompt"),
        ("The provided information mentions a cat.", "leaked_prompt"),
        ("<|im_start|>", "leaked_prompt"),
        ("Use names of people, places, works and brands only if you are sure of them.", "leaked_prompt"),
        ("The man appears to be happy.", "hedging"),
        ("It is possibly a park.", "hedging"),
        ("The light suggests an early hour.", "hedging"),
        ("I'm sorry, there is more.", "refusal"),
        ("I\u2019m sorry.", "refusal"),
        ("I can\u2019t describe the rest.", "refusal"),
        ("Sorry, I cannot assist with that.", "refusal"),
        ("As an AI language model, it ends here.", "refusal"),
        ("I don't have access to more.", "refusal"),
        ("Maybe it rains.", "hedging"),
        ("It looks as if it rained.", "hedging"),
        ("What looks like a boat is far off.", "hedging"),
        ("I cannot see the rest.", "refusal"),
        ("Behind them a wooden pier reaches into the sea, and three gulls sit on its rail.", "repeated_sentence"),
    ],
)
def test_a_planted_defect_is_marked_and_nothing_else(planted, mark):
    assert marks(f"{GOOD} {planted}") == [mark]


@pytest.mark.parametrize(
    "opener",
    [
        "The image showcases",
        "The picture shows",
        "This image depicts",
        "In this image there are",
        "In the photo, we see",
        "This scene contains",
        "This is an image of",
        "A photograph of",
        "The black-and-white photo captures",
        "In this image, two dogs and",
        "Photo of",
        "Sure! Here are",
        "Here is a detailed caption for",
        "Caption:",
        "Here we see",
        "You can see",
    ],
)
def test_stock_openers_are_marked_at_the_start_only(opener):
    # Trap 14 of the seeds: DenseFusion's teacher forbids them and its own samples begin with them.
    assert marks(f"{opener} something. {GOOD}") == ["stock_opener"]
    assert marks(f"{GOOD} {opener} something.") == []


@pytest.mark.parametrize(("words", "expected"), [(19, ["too_short"]), (20, []), (320, []), (321, ["too_long"])])
def test_the_length_band_includes_its_ends(words, expected):
    assert marks(" ".join(f"w{i}" for i in range(words))) == expected


def test_a_model_that_hangs_is_marked_without_any_full_stop():
    assert marks("a red ball on the grass and " * 5) == ["repeated_sentence"]


@pytest.mark.parametrize(
    ("caption", "reason", "expected"),
    [
        ("", "stop", ["empty"]),
        (" \n", "length", ["empty", "truncated"]),
        (GOOD, "length", ["truncated"]),
        (GOOD, None, []),
    ],
)
def test_empty_and_truncated_captions(caption, reason, expected):
    assert marks(caption, reason) == expected


def test_every_mark_is_in_the_schema():
    counted = {"empty", "repeated_sentence", "too_long", "too_short", "truncated"}
    assert sorted(counted | set(PATTERNS)) == list(CAPTION_MARKS)


@pytest.mark.parametrize(
    "text", ["(1, " * 30_000, "the image " * 20_000, "0.11, " * 30_000, "a" * 200_000, "(\n" * 50_000]
)
def test_guards_are_linear_on_hostile_text(text):
    start = time.thread_time()
    marks(text)
    assert time.thread_time() - start < 3
