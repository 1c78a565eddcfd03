import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.prompting.attributes import ATTRIBUTES, BACKGROUND, FACE, Attribute
from curate.captions.prompting.hints import Hints
from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.drawn_caption import DrawnCaption
from curate.experts.human_attributes import HumanAttributes
from curate.experts.main_face import MainFace
from curate.stages import Batch, Expert, stage_id
from filters.min_attributes import MinAttributes
from filters.min_face import MinFace
from pipelines.human_caption import LENGTHS, human_caption
from schemas.human import HUMAN_ATTRIBUTES, MAIN_FACE
from schemas.objects import OBJECT


def thing(label, box, score=0.99):
    return {"label": label, "box": box, "score": score}


def find(objects, width=1000, height=500, **settings):
    table = pa.table(
        {
            "uid": ["u"],
            "objects": pa.array([objects], pa.list_(OBJECT)),
            "image_width_px": pa.array([width], pa.int32()),
            "image_height_px": pa.array([height], pa.int32()),
        }
    )
    measured = MainFace(**settings).load()(Batch(table))
    columns = {field.name: pa.array(measured.columns[field.name], field.type) for field in MAIN_FACE}
    return pa.table(columns, schema=MAIN_FACE)


def first(table):
    return {name: table[name][0].as_py() for name in table.column_names}


def test_the_main_face_is_the_largest_and_its_person_the_smallest_around_it():
    objects = [
        thing("face", [0.0, 0.0, 0.125, 0.25], 1.0),
        thing("face", [0.5, 0.0, 0.75, 0.5], 0.98),
        thing("person", [0.0, 0.0, 1.0, 1.0]),
        thing("person", [0.5, 0.0, 0.875, 1.0]),
        thing("person", [0.0, 0.0, 0.25, 1.0]),
        thing("dog", [0.5, 0.0, 0.76, 0.5]),
    ]
    face = first(find(objects))
    assert face["face_count"] == 2
    assert face["face_box"] == [0.5, 0.0, 0.75, 0.5]
    assert face["face_score"] == pytest.approx(0.98)
    assert (face["face_width_px"], face["face_height_px"]) == (250, 250)
    assert face["body_box"] == [0.5, 0.0, 0.875, 1.0]


@pytest.mark.parametrize(
    ("objects", "count"),
    [(None, None), ([], 0), ([thing("dog", [0, 0, 1, 1])], 0), ([thing("face", [0.5, 0.5, 0.5, 0.9])], 0)],
)
def test_no_face_is_a_count_of_zero_and_no_measurement_null(objects, count):
    face = first(find(objects))
    assert face.pop("face_count") == count
    assert not any(face.values())
    assert MinFace().keep(find(objects)).to_pylist() == [None if count is None else False]


def test_labels_are_the_users():
    objects = [thing("Human face", [0, 0, 0.5, 0.5]), thing("man", [0, 0, 1, 1])]
    face = first(find(objects, face_labels=("Human face",), person_labels=("man", "woman")))
    assert (face["face_count"], face["body_box"]) == (1, [0, 0, 1, 1])
    assert first(find(objects))["face_count"] == 0
    with pytest.raises(PlanError, match="face_labels"):
        MainFace(face_labels=())


def test_a_face_without_a_person_or_an_original_size():
    face = first(find([thing("face", [0, 0, 1.5, 1])], None, None))
    assert face["face_box"] == [0, 0, 1, 1]
    assert face["body_box"] is face["face_width_px"] is None


@pytest.mark.parametrize(
    ("side", "score", "kept"),
    [(128, 0.98, True), (127, 0.98, False), (128, 0.97, False), (400, 1.0, True)],
)
def test_gates_of_the_paper_are_inclusive(side, score, kept):
    table = find([thing("face", [0, 0, side / 1024, side / 512], score)], 1024, 512)
    assert MinFace().keep(table).to_pylist() == [kept]


def answer(request):
    """Be sure of smiles on bright images; the label is in the question."""
    if request.id.startswith("bad"):
        raise SampleError("engine_rejected", "no")
    if "smiling" in request.prompt:
        return ("yes", 0.95) if request.image.mean() > 128 else ("no", 0.9)
    return ("yes", 0.6) if "beard" in request.prompt else ("no", 0.99)


ASK = HumanAttributes(FakeEngine(answer), longest_side_px=56)
FACE_BOX, BODY_BOX = [0.5, 0.0, 1.0, 0.5], [0.25, 0.0, 1.0, 1.0]


def people(uids, faces, bodies, value=255):
    boxes = pa.list_(pa.float32())
    table = pa.table({"uid": uids, "face_box": pa.array(faces, boxes), "body_box": pa.array(bodies, boxes)})
    image = np.zeros((112, 112, 3), np.uint8)
    image[:56, 56:] = value
    return Batch(table, (), [image] * len(uids))


def test_they_are_experts_that_can_be_sent():
    for expert in (ASK, MainFace()):
        assert isinstance(expert, Expert)
        assert stage_id(pickle.loads(pickle.dumps(expert))) == stage_id(expert)


def test_each_question_is_asked_of_the_part_that_it_is_about():
    asked = []

    def note(request):
        asked.append(request)
        return "no", 0.9

    settings = {"longest_side_px": 56, "margin": 0.0}
    HumanAttributes(FakeEngine(note, "note"), **settings).load()(people(["u"], [FACE_BOX], [BODY_BOX]))
    assert len(asked) == len(ATTRIBUTES)
    assert len({request.id for request in asked}) == len(asked)
    assert {request.choices for request in asked} == {("yes", "no")}
    means = {round(request.image.mean() / 255, 2): request.image.shape for request in asked}
    assert set(means) == {1.0, 0.33, 0.25}  # the face alone, the person, the image
    assert len({id(request.image) for request in asked}) == 3  # each view is made once, for the prefix cache
    assert asked[0].prompt == FACE[0].question + " Answer yes or no."


def test_answers_are_kept_with_their_probabilities():
    result = ASK.load()(people(["bright"], [FACE_BOX], [BODY_BOX]))
    told = {(each["part"], each["name"]): each for each in result.columns["human_attributes"][0]}
    assert told["face", "smiling"] == {"part": "face", "name": "smiling", "present": True, "probability": 0.95}
    assert told["face", "a beard"]["probability"] == 0.6
    assert not told["face", "bangs over the forehead"]["present"]
    pa.array(result.columns["human_attributes"], HUMAN_ATTRIBUTES.field(0).type)


def test_without_a_face_nothing_is_asked_and_without_a_person_nothing_about_the_body():
    result = ASK.load()(people(["none", "face"], [None, FACE_BOX], [None, None]))
    nothing, some = result.columns["human_attributes"]
    assert nothing is None
    assert {each["part"] for each in some} == {"face", "background"}
    assert len(some) == len(FACE) + len(BACKGROUND)
    assert result.errors == [None, None]
    assert result.seconds[0] is None


def test_an_engine_that_fails_is_an_error_of_its_sample_alone():
    result = ASK.load()(people(["bad", "good"], [FACE_BOX] * 2, [None] * 2))
    assert [error and error.code for error in result.errors] == ["engine_rejected", None]
    assert [attributes is None for attributes in result.columns["human_attributes"]] == [True, False]


def test_an_answer_that_is_neither_is_no_answer():
    odd = HumanAttributes(FakeEngine(lambda _: ("maybe", 0.99), "odd"), (FACE[0],), longest_side_px=56)
    told = odd.load()(people(["u"], [FACE_BOX], [None])).columns["human_attributes"][0][0]
    assert told["present"] is told["probability"] is None


@pytest.mark.parametrize(
    ("sure", "doubtful", "absent", "kept"), [(6, 0, 34, True), (5, 35, 0, False), (0, 0, 40, False)]
)
def test_more_than_five_attributes_must_be_sure(sure, doubtful, absent, kept):
    told = [{"part": "face", "name": f"a{i}", "present": True, "probability": 0.86} for i in range(sure)]
    told += [{"part": "face", "name": f"b{i}", "present": True, "probability": 0.85} for i in range(doubtful)]
    told += [{"part": "face", "name": f"c{i}", "present": False, "probability": 1.0} for i in range(absent)]
    told += [{"part": "body", "name": f"d{i}", "present": True, "probability": 1.0} for i in range(9)]
    table = pa.table({"human_attributes": pa.array([told, None], HUMAN_ATTRIBUTES.field(0).type)})
    assert MinAttributes().keep(table).to_pylist() == [kept, None]
    assert MinAttributes(part="").keep(table).to_pylist() == [True, None]


def test_bad_settings_are_named():
    for bad in (
        {"attributes": ()},
        {"attributes": (FACE[0], FACE[0])},
        {"question": "Answer yes or no."},
        {"answers": ("yes", "yes")},
        {"longest_side_px": 3},
        {"margin": -1},
    ):
        with pytest.raises(PlanError, match="HumanAttributes"):
            dataclasses.replace(ASK, **bad)
    with pytest.raises(PlanError, match="part is 'hand'"):
        Attribute("a ring", "Is there a ring?", "hand")


def test_there_are_forty_questions_about_the_face_each_another():
    assert len(FACE) == 40
    assert len({attribute.question for attribute in FACE}) == 40


def write(request):
    if request.choices:
        return ("yes", 0.9) if request.prompt[-30] in "aeiou" else ("no", 0.9)
    return "word " * 480 if "in full" in request.prompt else "A person in a red coat stands in a street. "


def test_the_stages_of_the_recipe_work_on_one_another():
    stages = human_caption().stages
    assert [type(stage).__name__ for stage in stages[3:]] == [
        "OpenObjects", "MainFace", "MinFace", "HumanAttributes", "MinAttributes", "CaptionKinds", "DrawnCaption"
    ]  # fmt: skip
    face, attributes, kinds = stages[4], stages[6], stages[8]
    engine = FakeEngine(write, "writer")
    table = pa.table(
        {
            "uid": ["u"],
            "alt_text": ["Ada in Paris"],
            "open_objects": pa.array(
                [[thing("face", [0, 0, 0.5, 0.5]), thing("person", [0, 0, 1, 1])]], pa.list_(OBJECT)
            ),
            "image_width_px": pa.array([448], pa.int32()),
            "image_height_px": pa.array([448], pa.int32()),
        }
    )
    for expert in (face, dataclasses.replace(attributes, engine=engine), dataclasses.replace(kinds, engine=engine)):
        measured = expert.load()(Batch(table, (), [np.zeros((448, 448, 3), np.uint8)]))
        for field in expert.adds:
            table = table.append_column(field, pa.array(measured.columns[field.name], field.type))
    assert [stages[i].keep(table).to_pylist() for i in (5, 7)] == [[True], [True]]
    texts = {text["kind"]: text for text in table["captions"][0].as_py()}
    assert list(texts) == list(LENGTHS)
    assert texts["human_full"]["marks"] == ["repeated_sentence"]  # 480 words are not too long, 501 would be
    assert texts["human_full"]["words"] == 480
    assert [kind.guards.max_words for kind in kinds.kinds] == [70, 400, 500]
    assert DrawnCaption().load()(Batch(table)).columns["drawn_kind"][0] in ("human_short", "human_detail")


def test_attributes_that_are_sure_are_hints_of_the_texts():
    told = [
        {"part": "face", "name": "smiling", "present": True, "probability": 0.9},
        {"part": "face", "name": "a beard", "present": True, "probability": 0.8},
        {"part": "body", "name": "standing", "present": False, "probability": 1.0},
        {"part": "body", "name": "sitting", "present": None, "probability": None},
    ]
    block = Hints(blocks=("attributes",)).render({"human_attributes": told}, 448, 448)
    assert block == "Attributes found by a classifier: face: smiling"
