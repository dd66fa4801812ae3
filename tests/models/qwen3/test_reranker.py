"""The same pair, the same score: whatever else is in the batch, and whatever is cached."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finerank import Reranker
from finerank.models.qwen3.reranker import Qwen3Reranker
from finerank.models.qwen3.segments import Segment
from tests.conftest import SCRIPTS

DOCUMENTS = [text * (1 + number % 4) for number, text in enumerate(SCRIPTS.values())]
PAIRS = [(query, document) for query in ("a fox", "狐狸", "a dog?") for document in DOCUMENTS]


def _qwen3(reranker: Reranker) -> Qwen3Reranker:
    model = reranker.model
    assert isinstance(model, Qwen3Reranker)
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.1)])
def test_company_order_and_batch_size_do_not_matter(tiny_qwen3: Path, dtype: str, tolerance: float) -> None:
    with Reranker(str(tiny_qwen3), dtype=dtype, self_test="off") as reranker:
        alone = np.array([reranker.log_odds([pair])[0] for pair in PAIRS])
        together = reranker.log_odds(PAIRS)
        order = random.Random(0).sample(range(len(PAIRS)), len(PAIRS))
        shuffled = reranker.log_odds([PAIRS[index] for index in order])
        assert together == pytest.approx(alone, abs=tolerance)
        assert shuffled == pytest.approx(together[order], abs=tolerance)
        for batch_size in (1, 2, 7):
            ranking = reranker.rank(PAIRS[0][0], DOCUMENTS, batch_size=batch_size)
            for each in ranking:
                assert each.log_odds == pytest.approx(alone[each.index], abs=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("prefix_cache_bytes", [0, 60_000, 256 << 20])
def test_deterministic_is_exactly_so(tiny_qwen3: Path, dtype: str, prefix_cache_bytes: int) -> None:
    with Reranker(
        str(tiny_qwen3), dtype=dtype, self_test="off", deterministic=True, prefix_cache_bytes=prefix_cache_bytes
    ) as reranker:
        alone = np.array([reranker.log_odds([pair])[0] for pair in PAIRS])
        order = random.Random(0).sample(range(len(PAIRS)), len(PAIRS))
        shuffled = reranker.log_odds([PAIRS[index] for index in order])
        assert (shuffled == alone[order]).all()
        assert (reranker.log_odds(PAIRS) == alone).all()


@pytest.mark.parametrize("prefix_cache_bytes", [0, 60_000, 256 << 20])
def test_the_cache_changes_cost_not_scores(tiny_qwen3: Path, prefix_cache_bytes: int) -> None:
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off", prefix_cache_bytes=prefix_cache_bytes) as reranker:
        _qwen3(reranker).release_memory()  # the self-test has been here
        first = reranker.rank("a fox", DOCUMENTS)
        again = reranker.rank("a fox", DOCUMENTS)
        assert [each.log_odds for each in again] == pytest.approx([each.log_odds for each in first], abs=1e-5)
        saved = first.facts.usage.computed_tokens - again.facts.usage.computed_tokens
        num_prefix = _qwen3(reranker).encoder.prefix("a fox").num_tokens
        cache = _qwen3(reranker).runner.cache
        assert cache.num_bytes <= prefix_cache_bytes
        if prefix_cache_bytes == 0:
            assert saved == 0
        if prefix_cache_bytes == 256 << 20:
            assert saved == num_prefix
            other = reranker.rank("a dog", DOCUMENTS)  # shares the system and instruction blocks
            assert other.facts.usage.computed_tokens < first.facts.usage.computed_tokens


def test_usage_counts_shared_tokens_once(tiny_qwen3: Path) -> None:
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off", prefix_cache_bytes=0) as reranker:
        encoder = _qwen3(reranker).encoder
        facts = reranker.rank("a fox", DOCUMENTS).facts
        whole = sum(len(encoder.reference_ids("a fox", document)) for document in DOCUMENTS)
        shared = encoder.prefix("a fox").num_tokens
        assert facts.usage.prompt_tokens == whole
        assert facts.usage.computed_tokens == whole - shared * (len(DOCUMENTS) - 1)


def test_out_of_memory_shrinks_the_work(tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that does not fit is halved; a document that does not fit is computed in smaller blocks of rows."""
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        expected = reranker.log_odds(PAIRS)
        network = _qwen3(reranker).network
        run, failures = network.run, []

        def run_in_little_memory(segments: list[Segment], block_rows: int, on_pause: Any) -> torch.Tensor:
            if sum(segment.is_scored for segment in segments) > 4 or block_rows > 128:
                failures.append(block_rows)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return run(segments, block_rows)

        monkeypatch.setattr(network, "run", run_in_little_memory)
        assert reranker.log_odds(PAIRS) == pytest.approx(expected, abs=1e-5)
        assert len(failures) > 3


def test_answer_tokens_named_by_the_checkpoint_are_used(tiny_qwen3: Path, tmp_path: Path) -> None:
    """A sentence-transformers reranker folder says which tokens its score is read from."""
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_qwen3, folder)
    with Reranker(str(folder), dtype="float32", self_test="off") as reranker:
        plain = reranker.log_odds(PAIRS[:3])
        encoder = _qwen3(reranker).encoder
    modules = [
        {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"path": "1_LogitScore", "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_LogitScore").mkdir()
    swapped = {"true_token_id": encoder.no_id, "false_token_id": encoder.yes_id}
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps(swapped))
    with Reranker(str(folder), dtype="float32", self_test="off") as reranker:
        assert reranker.log_odds(PAIRS[:3]) == pytest.approx(-plain, abs=1e-6)
