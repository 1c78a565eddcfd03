from curate.captions.choices import Choices


def test_choices_are_uniform_enough_and_independent_of_each_other():
    many = [Choices(0, "stage", str(i)) for i in range(4000)]
    heads = sum(c.fraction("kind") < 0.5 for c in many) / len(many)
    both = sum(c.fraction("kind") < 0.5 and c.fraction("corruption") < 0.5 for c in many) / len(many)
    assert abs(heads - 0.5) < 0.04
    assert abs(both - 0.25) < 0.04
    assert {c.index("prompt", 8) for c in many} == set(range(8))
    assert all(0.5 <= c.between("brightness", 0.5, 1.5) < 1.5 for c in many)


def test_seed_stage_and_uid_all_count():
    values = {Choices(*args).seed("x") for args in ((0, "s", "u"), (1, "s", "u"), (0, "t", "u"), (0, "s", "v"))}
    assert len(values) == 4
    assert all(0 <= value < 2**31 for value in values)
