"""Pairs come of the kinds that are asked for, and each kind brings the stages that it needs."""

from curate.experts.description import Description
from curate.experts.pair_evidence import PairEvidence
from curate.experts.preference_pair import PreferencePair
from curate.recipe import build, find_recipe
from curate.stages import Gate, stage_name


def pipeline(*assignments):
    built, _ = build(find_recipe("stic"), list(assignments))
    built.schema()
    return built


def stages(*assignments):
    return {type(one): one for one in pipeline(*assignments).stages}


def names(*assignments):
    return [type(one).__name__ for one in pipeline(*assignments).stages]


def test_the_papers_pairs_need_no_caption_and_are_gated_by_evidence():
    assert names() == [
        "ImageFacts", "MinSide", "NotAnimated", "Ocr", "Objects", "PreferencePair", "PairEvidence", "Gate", "Gate",
    ]  # fmt: skip
    gates = [one for one in pipeline().stages if isinstance(one, Gate)]
    assert [(gate.artefact, stage_name(gate)) for gate in gates] == [
        ("pair", "pair_lengths"), ("pair", "min_pair_margin"),
    ]  # fmt: skip


def test_edits_work_on_a_caption_which_is_a_stage_of_its_own():
    assert "DenseCaption" in names('kinds={"misleading_prompt": 1, "edits": 1}')
    assert "DenseCaption" not in names('kinds={"misleading_prompt": 1}')


def test_judgement_and_descriptions_are_asked_for():
    assert names("judge=true", "describe=true")[-3:] == ["PairJudge", "Gate", "Description"]


def test_pairs_and_descriptions_draw_from_the_same_neutral_prompts():
    both = stages("describe=true", "neutral=nano/prompts/stic-neutral.toml")
    assert both[Description].prompts == both[PreferencePair].neutral
    assert both[Description].prompts[0].id.startswith("nano-")


def test_pairs_are_made_and_gated_by_the_same_evidence():
    both = stages("evidence.lexicon=nano/lexicon.toml")
    assert both[PairEvidence].evidence == both[PreferencePair].evidence
    assert both[PairEvidence].evidence.lexicon.name != "coco80"
