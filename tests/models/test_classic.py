"""Classic cross-encoders and bi-encoders against sentence-transformers itself, on tiny random BERTs."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

from finerank import Reranker
from finerank.errors import DamagedError, TooLongError, UnsupportedError

WORDS = "fox dog cat planet red alarm pressure sensor the a is of jumps over what when law code".split()
QUERY = "what is the red planet"


def _documents(count: int, longest: int) -> list[str]:
    chosen = random.Random(1)
    return ["", *(" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count))]


def _save_tokenizer(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)


def _config(**changes: Any) -> BertConfig:
    sizes = {"vocab_size": 32, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertConfig(**sizes, intermediate_size=48, max_position_embeddings=64, initializer_range=0.3, **changes)


def _classifier(folder: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    _save_tokenizer(folder)
    BertForSequenceClassification(_config(**changes)).save_pretrained(folder)
    return folder


def _embedder(folder: Path, **prompts: str) -> Path:
    torch.manual_seed(0)
    _save_tokenizer(folder)
    BertModel(_config()).save_pretrained(folder)
    SentenceTransformer(str(folder), device="cpu", prompts=prompts).save(str(folder / "st"))
    return folder / "st"


def _load(folder: Path, **options: Any) -> Reranker:
    return Reranker(str(folder), **({"dtype": "float32", "device": "cpu", "self_test": "off"} | options))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_cross_encoder_gives_sentence_transformers_logits(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", num_labels=1)
    documents = _documents(20, 40)
    expected = CrossEncoder(str(folder), device="cpu").predict(
        [(QUERY, document) for document in documents], activation_fn=torch.nn.Identity()
    )
    with _load(folder) as reranker:
        assert reranker.info.kind == "cross_encoder"
        ranking = reranker.rank(QUERY, documents)
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


def test_adapter_over_a_classic_cross_encoder(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    folder = _classifier(tmp_path / "m", num_labels=1)
    config = LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False)
    adapted = get_peft_model(BertForSequenceClassification.from_pretrained(folder), config)
    adapted.save_pretrained(tmp_path / "adapter")
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        expected = float(adapted.eval()(**tokenizer(QUERY, "red fox", return_tensors="pt")).logits)
    with _load(tmp_path / "adapter") as reranker:
        assert float(reranker.log_odds([(QUERY, "red fox")])[0]) == pytest.approx(expected, abs=1e-5)


def test_bi_encoder_uses_the_models_own_prompts(tmp_path: Path) -> None:
    folder = _embedder(tmp_path / "m", query="what is ", document="the ")
    documents = _documents(10, 30)
    encoder = SentenceTransformer(str(folder), device="cpu")
    query = encoder.encode_query(QUERY, normalize_embeddings=True)
    vectors = encoder.encode_document(documents, normalize_embeddings=True)
    with _load(folder) as reranker:
        assert reranker.info.kind == "bi_encoder"
        scores = reranker.score([(QUERY, document) for document in documents])
        assert scores == pytest.approx((1 + vectors @ query) / 2, abs=1e-5)
        long = reranker.rank(QUERY, ["red fox", "fox " * 61, "fox " * 62])
        assert {each.index: each.is_truncated for each in long} == {0: False, 1: False, 2: True}
        with pytest.raises(TooLongError):
            reranker.rank("fox " * 100, ["a"])


def test_a_document_of_a_bi_encoder_is_read_once_for_all_queries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = _documents(6, 20)[1:]
    folder = _embedder(tmp_path / "m", query="", document="")
    with _load(folder) as reranker:
        first = reranker.rank("what is the red planet", documents)
        second = reranker.rank("alarm code", documents)
        assert second.facts.usage.computed_tokens < 8 < first.facts.usage.computed_tokens
        monkeypatch.setattr("finerank.models.bi_encoder._KEPT_DOCUMENT_BYTES", 2 * 32 * 4)
        assert [each.index for each in reranker.rank("alarm code", documents)] == [each.index for each in second]
        assert reranker.rank("law code", documents).facts.usage.computed_tokens > 8
    with _load(folder) as fresh:
        alone = fresh.rank("alarm code", documents)
    assert [each.log_odds for each in alone] == pytest.approx([each.log_odds for each in second], abs=1e-5)


def test_an_instruction_that_is_not_used_is_reported(tmp_path: Path) -> None:
    with _load(_classifier(tmp_path / "m", num_labels=1)) as reranker:
        facts = reranker.rank(QUERY, ["a"], instruction="Retrieve cats").facts
        assert facts.instruction is None
        assert "takes no instruction" in facts.warnings[0]
        assert reranker.rank(QUERY, ["a"]).facts.warnings == ()
