"""Evaluations made on the spot, with figures that are known beforehand."""

import math
import random

from finerank.evaluation.types import CorpusDocument, Cost, Dataset, Evaluation, PairedTest, Stage
from finerank.types import ModelInfo

INFO = ModelInfo(
    "org/a-reranker", "yes_no", "0123456789abcdef", "bfloat16", "cpu", 8192, default_instruction="the default"
)


def stage(name: str, kind: str, values: dict[str, float], run: dict[str, dict[str, float]], **more: object) -> Stage:
    means = {"nDCG@10": math.fsum(values.values()) / len(values) if values else math.nan}
    return Stage(name, kind, run, {"nDCG@10": values}, means, **more)  # type: ignore[arg-type]


def evaluation(num_queries: int = 60, names: tuple[str, ...] = ("a-reranker",), depth: int = 10) -> Evaluation:
    """Query i has one relevant document; bm25 puts it at rank 3, rerankers somewhere."""
    chance = random.Random(7)
    queries = {f"q{number}": f"what is the meaning of alarm E{number:02}?" for number in range(num_queries)}
    corpus = {
        f"d{number}": CorpusDocument(
            f"Alarm E{number:02} is a fault of sensor {number}. " * 6, f"Manual, page {number}"
        )
        for number in range(depth * 4)
    }
    ids = list(corpus)
    qrels, before, after = {}, {}, {name: {} for name in names}
    for query in queries:
        found = chance.sample(ids, depth)
        qrels[query] = {found[min(2, depth - 1)]: 1}
        before[query] = {each: float(depth - place) for place, each in enumerate(found)}
        for position, name in enumerate(names):
            helps = chance.random() < 0.75 - 0.2 * position
            scores = {each: chance.betavariate(1.0, 4.0) for each in found}
            scores[found[min(2, depth - 1)]] = chance.betavariate(5.0, 1.5) if helps else chance.betavariate(1.0, 3.0)
            after[name][query] = scores
    stages = [_timed(stage("bm25", "first", _ndcg(before, qrels), before), chance, 0.003)]
    for position, name in enumerate(names):
        made = stage(name, "reranked", _ndcg(after[name], qrels), after[name], model=INFO, instruction="the default")
        made.cost.tokens = 123_456
        stages.append(_timed(made, chance, 0.2 * (1 + position)))
    stages.append(stage("oracle", "oracle", dict.fromkeys(queries, 1.0), before))
    return Evaluation(
        Dataset("manuals", "dev", queries, corpus, qrels, warnings=["one query had no text and was left out"]),
        ["nDCG@10"],
        depth,
        stages,
        [_test(stages[0], each) for each in stages[1:-1]],
        by_depth={
            each.name: {k: 0.5 + (each.means["nDCG@10"] - 0.5) * math.sqrt(k / depth) for k in (1, 2, 5, depth)}
            for each in stages[1:-1]
        },
        num_candidates=float(depth),
        seconds=12.5,
        settings={"first_stage": "bm25", "seed": 7},
        warnings=["2 documents were truncated"],
    )


def _ndcg(run: dict[str, dict[str, float]], qrels: dict[str, dict[str, int]]) -> dict[str, float]:
    """With one relevant document: 1 / log2(1 + rank)."""
    values = {}
    for query, scores in run.items():
        ((relevant, _),) = qrels[query].items()
        rank = 1 + sum(score > scores[relevant] for score in scores.values())
        values[query] = 1.0 / math.log2(1 + rank)
    return values


def _timed(made: Stage, chance: random.Random, seconds: float) -> Stage:
    values = made.per_query["nDCG@10"]
    made.cost = Cost({query: seconds * chance.lognormvariate(0.0, 0.35) for query in values}, made.cost.tokens)
    return made


def _test(a: Stage, b: Stage) -> PairedTest:
    gains = [b.per_query["nDCG@10"][query] - value for query, value in a.per_query["nDCG@10"].items()]
    mean = math.fsum(gains) / len(gains) if gains else math.nan
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    p_value = 0.0004 if mean > 0.1 else 0.2
    return PairedTest(
        "nDCG@10", a.name, b.name, mean, mean - 0.03, mean + 0.03, p_value, wins, losses, len(gains) - wins - losses
    )
