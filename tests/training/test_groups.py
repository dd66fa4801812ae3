"""Groups: the same for the same seed, every positive once an epoch, no known document as a random negative."""

from collections import Counter
from itertools import islice

import pytest

from finerank.errors import TrainingError
from finerank.training.examples import Candidate, Example, fingerprint
from finerank.training.groups import Group, GroupSampler

from .toy import toy_examples


def _example(query: str, *labelled: tuple[str, float]) -> Example:
    return Example(query, tuple(Candidate(text, label) for text, label in labelled))


EXAMPLES = [
    _example("a", ("a1", 1), ("a2", 1), ("a-", 0), ("a--", 0), ("a---", 0)),
    _example("b", ("b1", 1)),
    _example("c", ("c-", 0)),  # no positive: gives no group
    _example("a", ("a3", 1), ("a----", 0)),  # asked once more, with other documents
]


def _texts(groups: list[Group]) -> list[tuple[str, ...]]:
    return [tuple(each.text for each in group.candidates) for group in groups]


def test_the_seed_decides() -> None:
    first, again, other = (
        _texts(list(GroupSampler(toy_examples(), negatives=2, random_negatives=1, seed=seed).epoch(0)))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_epochs_differ() -> None:
    sampler = GroupSampler(toy_examples(), negatives=2, random_negatives=1)
    assert _texts(list(sampler.epoch(0))) != _texts(list(sampler.epoch(1)))


def test_every_positive_once_an_epoch() -> None:
    sampler = GroupSampler(EXAMPLES, negatives=2)
    for number in range(5):
        first = Counter(group.candidates[0].text for group in sampler.epoch(number))
        assert first == Counter(["a1", "a2", "a3", "b1"])
    assert len(sampler) == 4


def test_random_negatives_are_unknown_to_the_query() -> None:
    sampler = GroupSampler(EXAMPLES, negatives=3, random_negatives=2)
    known = {"a": {"a1", "a2", "a3", "a-", "a--", "a---", "a----"}, "b": {"b1"}}
    for group in islice(sampler.groups_from(0), 100):
        own = next(each for each in EXAMPLES if group.candidates[0] in each.candidates)
        others = [each for each in group.candidates[1:] if each not in own.candidates]
        assert others
        assert not {each.text for each in others} & known[group.query]
        assert len({each.text for each in group.candidates}) == len(group.candidates)
        assert all(each.label == 0 for each in others)


def test_few_documents_are_all_found() -> None:
    """Six of seven texts are known, so drawing at random would mostly fail."""
    examples = [_example("a", ("a1", 1), *((f"a{number}", 0) for number in range(2, 60))), _example("b", ("b1", 1))]
    sampler = GroupSampler(examples, negatives=1, random_negatives=5)
    for group in islice(sampler.groups_from(0), 20):
        if group.query == "a":
            assert [each.text for each in group.candidates[2:]] == ["b1"]


def test_documents_are_drawn_from() -> None:
    sampler = GroupSampler(EXAMPLES, negatives=0, random_negatives=2, documents=["x", "y", "a1"])
    assert {text for texts in _texts(list(sampler.epoch(0))) for text in texts[1:]} <= {"x", "y", "a1"}
    assert all("a1" not in texts[1:] for texts in _texts([g for g in sampler.epoch(0) if g.query == "a"]))


@pytest.mark.parametrize(("fill", "size"), [(True, 6), (False, 2)])
def test_fill_makes_up_for_missing_negatives(fill: bool, size: int) -> None:
    examples = [Example("q", (Candidate("right", 1), Candidate("wrong", 0))), *toy_examples()]
    sampler = GroupSampler(examples, negatives=5, fill=fill)
    assert {len(group.candidates) for group in sampler.epoch(0) if group.query == "q"} == {size}


def test_a_better_document_is_no_negative_of_a_worse_one() -> None:
    example = _example("q", ("perfect", 1), ("fair", 0.5), ("poor", 0.1), ("wrong", 0))
    groups = GroupSampler([example], negatives=9, fill=False).epoch(0)
    found = {group.candidates[0].text: {each.text for each in group.candidates[1:]} for group in groups}
    assert found == {"perfect": {"fair", "poor", "wrong"}, "fair": {"poor", "wrong"}, "poor": {"wrong"}}


@pytest.mark.parametrize("start", [0, 1, 11, 12, 13, 30])
def test_going_on_from_any_group(start: int) -> None:
    sampler = GroupSampler(toy_examples(), negatives=2, random_negatives=1)
    whole = _texts(list(islice(sampler.groups_from(0), 40)))
    assert _texts(list(islice(sampler.groups_from(start), 40 - start))) == whole[start:]


@pytest.mark.parametrize(
    ("epochs", "groups", "steps"), [(1, 4, 3), (1, 5, 3), (0.5, 4, 2), (0.01, 4, 1), (2.5, 3, 10), (1 / 3, 2, 2)]
)
def test_fractions_of_epochs(epochs: float, groups: int, steps: int) -> None:
    assert GroupSampler(toy_examples(12), negatives=1).num_steps(epochs, groups) == steps


def test_no_positive_is_refused() -> None:
    with pytest.raises(TrainingError, match="none of 1 examples"):
        GroupSampler([EXAMPLES[2]], negatives=1)


def test_the_recipe_changes_with_the_data() -> None:
    recipe = GroupSampler(EXAMPLES, negatives=1).recipe
    assert recipe == GroupSampler(list(EXAMPLES), negatives=1).recipe
    assert recipe["data"] != GroupSampler(EXAMPLES[:2], negatives=1).recipe["data"]
    relabelled = [_example("a", ("a1", 0.5), ("a2", 1)), *EXAMPLES[1:]]
    assert fingerprint(relabelled) != fingerprint([_example("a", ("a1", 1), ("a2", 1)), *EXAMPLES[1:]])
    assert fingerprint(EXAMPLES) != fingerprint(EXAMPLES, ["one more"])
