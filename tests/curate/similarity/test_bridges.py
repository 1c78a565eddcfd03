import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.similarity.bridges import join_pairs

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=20)


def groups(pairs, order=range(10)):
    place = {item: i for i, item in enumerate(order)}
    array = np.array([(place[a], place[b]) for a, b, _ in pairs], np.int64).reshape(-1, 2)
    labels = join_pairs(10, array, np.array([sure for *_, sure in pairs], bool))
    return {frozenset(item for item in range(10) if labels[place[item]] == label) for label in labels.tolist()}


def test_a_doubtful_pair_joins_one_item_but_not_two_groups():
    sure = [(0, 1, True), (2, 3, True)]
    assert frozenset({0, 1, 4}) in groups([*sure, (1, 4, False)])
    assert frozenset({0, 1}) in groups([*sure, (1, 2, False)])
    assert frozenset({0, 1}) in groups([*sure, (1, 2, False), (2, 1, False)])
    assert frozenset({0, 1, 2, 3}) in groups([*sure, (1, 2, False), (0, 2, False)])


@settings(deadline=None)
@given(PAIRS, st.permutations(range(10)), st.randoms())
def test_the_order_of_items_and_pairs_does_not_matter(pairs, order, random):
    shuffled = [(b, a, sure) for a, b, sure in pairs]
    random.shuffle(shuffled)
    assert groups(shuffled, order) == groups(pairs)


def test_no_pair_leaves_all_alone():
    assert len(groups([])) == 10
