import random
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.text import split_words
from curate.errors import PlanError
from curate.experts.text_facts import TextFacts, find_marks, repetition_frac
from curate.models.weights import Weights
from curate.stages import Batch
from nano.world.scenes import make_scene
from nano.world.texts import web_alt_text
from schemas.text_facts import TEXT_FACTS, TEXT_MARKS

SCORE = TextFacts().load()


def measure(*texts):
    return SCORE(Batch(pa.table({"alt_text": pa.array(texts, pa.string())})))


def test_no_text_counts_0_and_is_null_elsewhere():
    facts = measure(None)
    assert [facts.columns[name][0] for name in TEXT_FACTS.names] == [0, 0, 0, None, None, None, None]


@pytest.mark.parametrize(
    ("text", "words", "spaced"),
    [
        ("", 0, 0),
        (" \n\t ", 0, 0),
        ("red - shoe", 3, 3),
        ("自転車", 3, 1),
        ("A 自転車 by-the lake", 6, 4),
        ("빨간 자전거", 2, 2),
        ("a\u3000b\u00a0c", 3, 3),
    ],
)
def test_words_are_pieces_between_white_space_and_each_han_or_kana_letter(text, words, spaced):
    facts = measure(text)
    assert facts.columns["text_characters"] == [len(text)]
    assert facts.columns["text_words"] == [words]
    assert facts.columns["text_spaced_words"] == [spaced]


@given(st.text(max_size=60))
@settings(deadline=None)
def test_spaced_words_are_datacomp_s(text):
    facts = measure(text)
    assert facts.columns["text_spaced_words"] == [len(text.split())]
    assert facts.columns["text_characters"] == [len(text)]
    assert facts.columns["text_words"][0] >= facts.columns["text_spaced_words"][0]
    assert set(facts.columns["text_marks"][0]) <= set(TEXT_MARKS)


@pytest.mark.parametrize(
    ("text", "frac"), [("", 0), ("dog", 0), ("a b c", 0), ("ab Ab aB", 0.5), ("buy shoes buy shoes buy", 0.5)]
)
def test_repetition_is_the_share_of_word_pairs_seen_before(text, frac):
    assert repetition_frac(split_words(text)) == frac


def test_languages_are_told_with_confidence():
    facts = measure(
        "A red bicycle leans on a wall by the lake",
        "Ein rotes Fahrrad lehnt\nan einer Mauer",
        "Un vélo rouge contre un mur près du lac",
        "FRESH APPLES FROM OUR OWN GARDEN",
        " ",
    )
    assert facts.columns["text_language"] == ["en", "de", "fr", "en", None]
    assert all(0.3 < confidence <= 1 for confidence in facts.columns["text_language_confidence"][:4])
    assert facts.columns["text_language_confidence"][4] is None


def test_the_plain_model_sees_capitals_as_datacomp_shows_them():
    text = pa.table({"alt_text": ["FRESH APPLES FROM OUR OWN GARDEN"]})
    lowered, plain = (TextFacts(lower_capitals=flag).load()(Batch(text)) for flag in (True, False))
    assert lowered.columns["text_language_confidence"] != plain.columns["text_language_confidence"]


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("A dog in a park", []),
        ("Click HERE for more", ["boilerplate"]),
        ("stock photo of a dog", ["boilerplate"]),
        ("write to a.b@c.org", ["email", "url"]),
        ("IMG_2041", ["filename"]),
        ("DSC00012", ["filename"]),
        ("dog-1.final (2).JPG", ["filename"]),
        ("untitled-12", ["filename"]),
        ("a <b>dog</b> &amp; a cat", ["html"]),
        ("5 < 6 and 7 > 3", []),
        ("call +1 (555) 123-4567", ["phone"]),
        ("season 2019-2020 in 1920x1080", []),
        ("only $5.99", ["price"]),
        ("20 € each", ["price"]),
        ("see www.shop.example", ["url"]),
        ("visit example.com today", ["url"]),
        ("OPEN NOW", ["all_caps"]),
        ("NASA", []),
        ("12 34 !!", ["no_letters"]),
        ("自転車", []),
        ("", ["no_letters"]),
    ],
)
def test_marks(text, marks):
    assert find_marks(text) == marks


def test_marks_tell_junk_from_captions_in_the_nano_world():
    rng, scene = random.Random(3), make_scene(4_200_000_000_000)[1]
    drawn = [web_alt_text(scene, rng) for _ in range(600)]
    found = [(bool({"boilerplate", "filename"} & set(find_marks(text))), kind) for text, kind in drawn]
    assert [kind for junk, kind in found if junk != (kind in ("spam", "file"))] == []


@pytest.mark.parametrize("piece", ["a", "<", "1 ", "a@", "a.", "(", "<a ", "&a", "+1 (22) ", ".jpg", "a-", "日", "| "])
def test_hostile_texts_take_no_longer_than_their_length(piece):
    start = time.thread_time()
    measure((piece * 65_536)[:65_536])
    assert time.thread_time() - start < 3


def test_a_missing_language_model_is_named():
    with pytest.raises(PlanError, match=r"nowhere/lid\.bin"):
        TextFacts(language_model=Weights("nowhere/lid.bin")).check()
