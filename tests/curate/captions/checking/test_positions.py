import pytest

from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.positions import positions

COCO = read_lexicon("coco80")


def placed(text):
    mentions = COCO.mentions(text)
    return [(mentions[place.mention].label, place.words) for place in positions(text, mentions)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog in the top left.", [("dog", "top left")]),
        ("A dog sits on the left, and a cat is on the right side of the image.", [("dog", "left"), ("cat", "right")]),
        ("A dog in the upper right-hand corner of the frame", [("dog", "top right")]),
        ("A dog can be seen in the centre of the picture.", [("dog", "centre")]),
        ("A dog at the bottom; a cat near the center left", [("dog", "bottom"), ("cat", "middle left")]),
        ("In the lower left corner, there is a small brown dog.", [("dog", "bottom left")]),
        (
            "There are two dogs: a large one in the top left and a small one in the bottom right.",
            [("dog", "top left"), ("dog", "bottom right")],
        ),
        ("To the left of the frame sits a dog.", [("dog", "left")]),
        # What is said about other things:
        ("A dog to the left of the cat.", []),
        ("A dog to the left.", []),
        ("A dog in the middle of a field.", []),
        ("A dog on the top shelf, in the left lane, with a cherry on top.", []),
        ("A dog with its left ear up.", []),
        ("A dog beside a fence in the top left.", []),
        ("The fence in the top left is red. A dog runs.", []),
        ('A dog. The sign says "in the top left".', []),
        ("In the top left there is a fence, and a dog runs.", []),
        ("A dog in the lower drawer, in the central.", []),
    ],
)
def test_places_belong_to_the_object_they_are_about(text, expected):
    assert placed(text) == expected


@pytest.mark.parametrize(
    ("words", "centre", "fits"),
    [
        ("top left", (0.2, 0.2), True),
        ("top left", (0.37, 0.2), True),
        ("top left", (0.4, 0.2), False),
        ("left", (0.45, 0.9), True),
        ("left", (0.6, 0.9), False),
        ("bottom", (0.1, 0.48), True),
        ("bottom", (0.1, 0.3), False),
        ("centre", (0.5, 0.5), True),
        ("centre", (0.5, 0.8), False),
        ("middle right", (0.9, 0.5), True),
    ],
)
def test_a_box_fits_by_its_centre_thirds_with_slack_and_halves(words, centre, fits):
    (place,) = positions(f"A dog in the {words}.", COCO.mentions("A dog in the"))
    x, y = centre
    assert place.fits([x - 0.05, y - 0.05, x + 0.05, y + 0.05], 0.05) == fits
