"""Queries held out, and nothing of them on the other side."""

import random

import pytest

from finerank.errors import TrainingError
from finerank.training.checking import check
from finerank.training.examples import Example
from finerank.training.splitting import split, without_leaks
from tests.training.made import example

MANY = [example(f"query {n}", (f"answer {n}",), (f"answer {n + 1}",)) for n in range(200)]


def connected(seed: int) -> list[Example]:
    """Queries asked again in other letters, and answers that several queries share."""
    chance = random.Random(seed)
    examples = []
    for number in range(300):
        query = f"query {chance.randrange(250)}"
        answers = tuple({f"answer {chance.randrange(200)}" for _ in range(chance.choice([1, 1, 2]))})
        examples.append(example(chance.choice([query, query.upper(), f" {query}?"]), answers, (f"not {number}",)))
    return examples


@pytest.mark.parametrize("seed", range(5))
def test_no_query_and_no_answer_is_on_both_sides(seed: int) -> None:
    made = connected(seed)
    parts = split(made, seed=seed, min_queries=10)
    assert sorted(map(id, made)) == sorted(map(id, parts.train + parts.dev))
    train, dev = ({each.query.strip(" ?").lower() for each in side} for side in (parts.train, parts.dev))
    assert not train & dev
    train, dev = ({each.text for one in side for each in one.positives} for side in (parts.train, parts.dev))
    assert not train & dev
    codes = {each.code for each in check(parts.train, {"dev": parts.dev}).problems}
    assert not codes & {"leaked_query", "leaked_document"}


def test_a_share_of_the_queries_in_their_order() -> None:
    parts = split(MANY, dev_share=0.25, min_queries=10)
    assert len(parts.dev) == 50
    assert [each for each in MANY if each in parts.dev] == parts.dev
    assert [each for each in MANY if each not in parts.dev] == parts.train
    assert parts.sentence.startswith(
        "50 of 200 queries are held out, drawn at random with seed 0; training has none of"
    )


def test_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert split(MANY, seed=3) == split(list(MANY), seed=3)
    assert split(MANY, seed=3).dev != split(MANY, seed=4).dev


def test_at_least_so_many_and_at_most_a_third() -> None:
    assert len(split(MANY, dev_share=0.01, min_queries=40).dev) == 40
    few = split(MANY[:30], dev_share=0.01, min_queries=40)
    assert len(few.dev) == 10
    assert "so few (below 40) show large differences only" in few.sentence


def test_queries_without_an_answer_do_not_count() -> None:
    made = [*MANY[:30], *(example(f"unanswered {n}", ()) for n in range(300))]
    parts = split(made, dev_share=0.1, min_queries=1)
    assert len(parts.dev) == 3
    assert all(each.positives for each in parts.dev)


def test_a_large_connected_group_stays_in_training() -> None:
    star = [example(f"spoke {n}", ("the hub",)) for n in range(100)]
    parts = split([*star, *MANY[:50]], dev_share=0.1, min_queries=1)
    assert len(parts.dev) == 15
    assert all(each.query.startswith("query") for each in parts.dev)


def test_the_smallest_group_where_all_are_large() -> None:
    made = [example(f"q{n} {group}", (f"hub {group}",)) for group, size in enumerate((20, 30, 25)) for n in range(size)]
    parts = split(made, min_queries=1)
    assert {each.query.split()[1] for each in parts.dev} == {"0"}


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"out of 2: there are too few; give held-out data of their own \(--dev\)"):
        split(MANY[:2])
    with pytest.raises(TrainingError, match="out of 40: they are connected through the documents"):
        split([example(f"spoke {n}", ("the hub",)) for n in range(40)])
    with pytest.raises(TrainingError, match="share of held-out queries is 1"):
        split(MANY, dev_share=1)


def test_the_sentence_says_where_fewer_were_found_than_wanted() -> None:
    star = [example(f"spoke {n}", ("the hub",)) for n in range(100)]
    parts = split([*star, *MANY[:5]], dev_share=0.1, min_queries=1)
    assert len(parts.dev) == 5
    assert parts.sentence.endswith("; 10 were wanted, but too many queries share the documents that answer them")


def test_leaks_are_taken_out_of_training() -> None:
    dev = [example("QUERY 3 ?", ("of its own",)), example("another", ("answer 5",))]
    kept, said = without_leaks(MANY, dev)
    assert [each.query for each in MANY if each not in kept] == ["query 3"]
    assert said == "1 of 200 examples are not trained on: their query is held out too"
    assert "leaked_query" not in {each.code for each in check(kept, {"dev": dev}).problems}
    assert without_leaks(kept, dev) == (kept, "")
