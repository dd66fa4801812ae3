"""Classic cross-encoders and bi-encoders against sentence-transformers itself, on tiny random BERTs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import BertForSequenceClassification

from finerank import Reranker
from finerank.errors import DamagedError, TooLongError, UnsupportedError
from finerank.models.cross_encoder import ClassicCrossEncoder

from .tiny_bert import (
    QUERY,
    WORDS,
    adapted_logits,
    documents,
    save_adapter,
    save_classifier,
    save_embedder,
)


def _classifier(folder: Path, **changes: Any) -> Path:
    """One that finerank's own network does not compute."""
    return save_classifier(folder, hidden_act="relu", **changes)


def _load(folder: Path, **options: Any) -> Reranker:
    return Reranker(str(folder), **({"dtype": "float32", "device": "cpu", "self_test": "off"} | options))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_cross_encoder_gives_sentence_transformers_logits(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    texts = documents(20, 40)
    expected = CrossEncoder(str(folder), device="cpu").predict(
        [(QUERY, document) for document in texts], activation_fn=torch.nn.Identity()
    )
    with _load(folder) as reranker:
        assert reranker.info.kind == "cross_encoder"
        ranking = reranker.rank(QUERY, texts)
        assert [each.log_odds for each in sorted(ranking, key=lambda each: each.index)] == pytest.approx(
            expected, abs=1e-5
        )
        assert [each.index for each in ranking] == np.argsort(-expected, kind="stable").tolist()
        assert not any(each.is_truncated for each in ranking)


def test_two_labels_are_a_difference(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=2, id2label={0: "relevant", 1: "irrelevant"})
    logits = CrossEncoder(str(folder), device="cpu").predict([(QUERY, "red fox")], activation_fn=torch.nn.Identity())
    with _load(folder) as reranker:
        assert float(reranker.log_odds([(QUERY, "red fox")])[0]) == pytest.approx(logits[0][0] - logits[0][1], abs=1e-5)


def test_only_the_document_is_cut(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    room = 64 - 3 - len(QUERY.split())
    words = [WORDS[number % len(WORDS)] for number in range(200)]
    with _load(folder) as reranker:
        fits, cut = " ".join(words[:room]), " ".join(words)
        ranking = sorted(reranker.rank(QUERY, [fits, cut]), key=lambda each: each.index)
        assert [each.is_truncated for each in ranking] == [False, True]
        assert [each.num_tokens for each in ranking] == [room, 200]
        assert ranking[0].log_odds == pytest.approx(ranking[1].log_odds, abs=1e-5)
        with pytest.raises(TooLongError, match=r"takes 103 tokens.*reads 64"):
            reranker.rank("fox " * 100, ["a"])


def test_chunks_of_a_long_document(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    text = " ".join(WORDS[number % len(WORDS)] for number in range(200))
    with _load(folder, long_documents="chunk") as reranker:
        (result,) = reranker.rank(QUERY, [text])
        assert result.window is not None
        start, end = result.window
        assert not result.is_truncated
        assert float(reranker.log_odds([(QUERY, text[start:end])])[0]) == pytest.approx(result.log_odds, abs=1e-5)


def test_a_random_head_is_refused(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    body = BertForSequenceClassification.from_pretrained(folder).bert
    config = json.loads((folder / "config.json").read_text())
    body.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DamagedError, match=r"no weights for its classification head \(classifier\.weight"):
        _load(folder)


def test_code_from_a_checkpoint_runs_only_when_trusted(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "code.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UnsupportedError, match="trust_remote_code=True"):
        _load(folder)


def test_a_broken_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(DamagedError, match="has no tokenizer"):
        _load(folder)
    folder = _classifier(tmp_path / "n", num_labels=1)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(DamagedError, match="cannot be loaded"):
        _load(folder)


@pytest.mark.parametrize("is_embedder", [False, True])
def test_adapter_over_what_is_no_plain_bert_is_pefts(tmp_path: Path, is_embedder: bool) -> None:
    save: Any = save_embedder if is_embedder else save_classifier
    labels: dict[str, Any] = {} if is_embedder else {"num_labels": 1}
    folder = save(tmp_path / "m", hidden_act="relu", **labels)
    adapter = save_adapter(folder, tmp_path / "adapter")
    texts = documents(5, 60)
    with _load(adapter) as reranker:
        assert type(reranker.model) is ClassicCrossEncoder
        found = reranker.log_odds([(QUERY, text) for text in texts])
    assert found == pytest.approx(adapted_logits(folder, adapter, texts).numpy(), abs=1e-5)


def test_an_adapter_of_another_base_is_refused_before_peft_sees_it(tmp_path: Path) -> None:
    wide = save_classifier(tmp_path / "wide", hidden_act="relu", num_labels=1, hidden_size=48)
    base = _classifier(tmp_path / "base", num_labels=1)
    adapter = save_adapter(wide, tmp_path / "adapter", base_name=str(base))
    with pytest.raises(DamagedError, match=rf"adapter changes .*in its base '{base}' that tensor is"):
        _load(adapter)


def test_bi_encoder_uses_the_models_own_prompts(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "m", prompts={"query": "what is ", "document": "the "})
    texts = documents(10, 30)
    encoder = SentenceTransformer(str(folder), device="cpu")
    query = encoder.encode_query(QUERY, normalize_embeddings=True)
    vectors = encoder.encode_document(texts, normalize_embeddings=True)
    with _load(folder) as reranker:
        assert reranker.info.kind == "bi_encoder"
        scores = reranker.score([(QUERY, document) for document in texts])
        assert scores == pytest.approx((1 + vectors @ query) / 2, abs=1e-5)
        long = reranker.rank(QUERY, ["red fox", "fox " * 61, "fox " * 62])
        assert {each.index: each.is_truncated for each in long} == {0: False, 1: False, 2: True}
        with pytest.raises(TooLongError):
            reranker.rank("fox " * 100, ["a"])


def test_a_document_of_a_bi_encoder_is_read_once_for_all_queries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = documents(6, 20)[1:]
    folder = save_embedder(tmp_path / "m", prompts={"query": "", "document": ""})
    with _load(folder) as reranker:
        first = reranker.rank("what is the red planet", texts)
        second = reranker.rank("alarm code", texts)
        assert second.facts.usage.computed_tokens < 8 < first.facts.usage.computed_tokens
        monkeypatch.setattr("finerank.models.bi_encoder._KEPT_DOCUMENT_BYTES", 2 * 32 * 4)
        assert [each.index for each in reranker.rank("alarm code", texts)] == [each.index for each in second]
        assert reranker.rank("law code", texts).facts.usage.computed_tokens > 8
    with _load(folder) as fresh:
        alone = fresh.rank("alarm code", texts)
    assert [each.log_odds for each in alone] == pytest.approx([each.log_odds for each in second], abs=1e-5)


def test_an_instruction_that_is_not_used_is_reported(tmp_path: Path) -> None:
    with _load(_classifier(tmp_path / "m", num_labels=1)) as reranker:
        facts = reranker.rank(QUERY, ["a"], instruction="Retrieve cats").facts
        assert facts.instruction is None
        assert "takes no instruction" in facts.warnings[0]
        assert reranker.rank(QUERY, ["a"]).facts.warnings == ()
