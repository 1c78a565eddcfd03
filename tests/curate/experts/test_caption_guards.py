import pyarrow as pa
import pytest

from curate.captions.checking.guards import Guards, Languages
from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError
from curate.experts.caption_guards import CaptionGuards
from curate.stages import Batch
from filters.caption_clean import CaptionClean

ENGLISH = "Two brown dogs run along a wet beach under a grey sky."
GUARDS = CaptionGuards(guards=Guards(3, 50), prompt=Prompt("p", "Describe."))


def measure(expert, captions, reasons=None):
    columns = {expert.column: pa.array(captions, pa.string())}
    if expert.finish_column:
        columns[expert.finish_column] = pa.array(reasons or ["stop"] * len(captions), pa.string())
    measured = expert.load()(Batch(pa.table({"uid": [str(i) for i in range(len(captions))]} | columns)))
    return pa.table({field.name: pa.array(measured.columns[field.name], field.type) for field in expert.adds})


@pytest.mark.parametrize(
    ("caption", "marks"),
    [
        (ENGLISH, []),
        ("Zwei braune Hunde rennen unter einem grauen Himmel am nassen Strand entlang.", ["wrong_language"]),
        ("Dos perros marrones corren por la playa bajo un cielo gris.", ["wrong_language"]),
        ("茶色の犬が二匹、灰色の空の下、濡れた浜辺を走っている。", ["wrong_language"]),
        (
            'Two dogs run past a sign that reads "Betreten der Baustelle verboten, Eltern haften".',
            [],
        ),
        ("Two dogs run along the beach \u4e24\u53ea\u72d7\u6cbf\u7740\u6d77\u6ee9\u5954\u8dd1.", ["wrong_language"]),
        ("Two dogs run along a beach near \u5317\u4eac.", []),
        ('"Betreten der Baustelle verboten"', []),
        ("", ["empty"]),
        (None, None),
    ],
)
def test_a_wrong_language_is_marked_and_a_copied_sign_is_none(caption, marks):
    assert measure(GUARDS, [caption])["caption_guards"].to_pylist() == [marks]


def test_the_wanted_languages_may_be_several_or_any():
    german = "Zwei braune Hunde rennen unter einem grauen Himmel am nassen Strand entlang."
    several = CaptionGuards(guards=Guards(3, 50), languages=Languages(("en", "de")))
    assert measure(several, [german])["caption_guards"].to_pylist() == [[]]
    anything = measure(CaptionGuards(guards=Guards(3, 50), languages=Languages(())), [german])
    assert anything.to_pylist() == [
        {"caption_guards": [], "caption_language": None, "caption_language_confidence": None}
    ]


def test_the_other_guards_are_those_of_dense_caption():
    table = measure(GUARDS, [f"The image shows a scene. {ENGLISH}", ENGLISH], ["stop", "length"])
    assert table["caption_guards"].to_pylist() == [["stock_opener"], ["truncated"]]
    assert CaptionClean(("truncated",), column="caption_guards").keep(table).to_pylist() == [False, True]


def test_another_text_needs_no_finish_reason():
    expert = CaptionGuards("alt_text", Guards(3, 50), finish_column=None)
    assert expert.needs == ("alt_text",)
    assert measure(expert, [ENGLISH]).column_names[0] == "alt_text_guards"


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="wanted"):
        CaptionGuards(languages=Languages("en"))
