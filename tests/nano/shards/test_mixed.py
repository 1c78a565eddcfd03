import numpy as np

from nano.shards.mixed import Mixed, draw_mixed, score_captions


def test_half_is_plain_and_half_is_pages_all_large_and_the_same_every_time():
    one, two = draw_mixed(4), draw_mixed(4)
    assert [mixed.kind for mixed in one] == ["plain", "page"] * 2
    for a, b in zip(one, two, strict=True):
        assert (a.objects, a.signs) == (b.objects, b.signs)
        assert np.array_equal(np.asarray(a.image), np.asarray(b.image))
        assert 1000 <= max(a.image.size) <= 1300
    assert draw_mixed(2, seed=1)[0].objects != one[0].objects


def test_truth_lies_within_the_image_and_pages_hold_many_small_things():
    for mixed in draw_mixed(6):
        width, height = mixed.image.size
        for _, (x0, y0, x1, y1) in (*mixed.objects, *mixed.signs):
            assert 0 <= x0 < x1 <= width + 1
            assert 0 <= y0 < y1 <= height + 1
        assert mixed.objects
        assert mixed.kind == "plain" or (len(mixed.objects) > 5 and mixed.signs)


def test_captions_are_scored_by_class_and_exact_sign():
    mixed = Mixed(
        "page", draw_mixed(1)[0].image, (("dog", (0, 0, 1, 1)), ("cat", (0, 0, 1, 1))), (("SALE", (0, 0, 1, 1)),)
    )
    score = score_captions(['Two dogs, a hat and a sign that reads "sale".'], [mixed])
    assert (score.object_recall, score.object_precision, score.text_recall) == (0.5, 0.5, 1.0)
    assert score_captions([], []).object_recall is None
