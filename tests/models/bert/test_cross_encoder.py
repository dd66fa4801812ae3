"""Classic cross-encoders on our own BERT against transformers, on tiny random weights."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from finerank import Reranker
from finerank.errors import DamagedError, TooLongError
from finerank.models import embedded
from finerank.models.bert.cross_encoder import BertCrossEncoder
from finerank.models.cross_encoder import ClassicCrossEncoder

from ..tiny_bert import (
    QUERY,
    WORDS,
    adapted_logits,
    bert_config,
    documents,
    logits_of,
    save_adapter,
    save_classifier,
    save_embedder,
)

TWO_LABELS: dict[str, Any] = {"num_labels": 2, "id2label": {0: "relevant", 1: "irrelevant"}}


def _load(folder: Path, **options: Any) -> Reranker:
    return Reranker(str(folder), **({"dtype": "float32", "device": "cpu", "self_test": "off"} | options))


def _log_odds(reranker: Reranker, texts: list[str]) -> np.ndarray[Any, Any]:
    assert type(reranker.model) is BertCrossEncoder
    return reranker.log_odds([(QUERY, text) for text in texts])


def _expected(folder: Path, texts: list[str], dtype: torch.dtype = torch.float32) -> np.ndarray[Any, Any]:
    network = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()
    logits = logits_of(network, folder, texts)
    return (logits[:, 0] if logits.shape[1] == 1 else logits[:, 0] - logits[:, 1]).numpy()


@pytest.mark.parametrize("labels", [{"num_labels": 1}, TWO_LABELS], ids=["one label", "two labels"])
def test_log_odds_are_those_of_transformers(tmp_path: Path, labels: dict[str, Any]) -> None:
    folder = save_classifier(tmp_path / "m", **labels)
    texts = documents(30, 100)
    expected = _expected(folder, texts)
    with _load(folder) as reranker:
        assert reranker.info.kind == "cross_encoder"
        np.testing.assert_allclose(_log_odds(reranker, texts), expected, atol=1e-5, rtol=0)
        assert all(check.is_passed for check in reranker.model.self_checks())
    rounded = _expected(folder, texts, torch.bfloat16)
    with _load(folder, dtype="bfloat16") as reranker:
        ours = _log_odds(reranker, texts)
    assert abs(ours - expected).mean() <= abs(rounded - expected).mean()


def test_the_same_score_in_any_company(tmp_path: Path) -> None:
    texts = documents(20, 40)
    with _load(save_classifier(tmp_path / "m", num_labels=1), batch_tokens=64) as reranker:
        together = _log_odds(reranker, texts)
        alone = [float(_log_odds(reranker, [text])[0]) for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)


def test_only_the_document_is_cut(tmp_path: Path) -> None:
    room = 64 - 3 - len(QUERY.split())
    words = [WORDS[number % len(WORDS)] for number in range(200)]
    with _load(save_classifier(tmp_path / "m", num_labels=1)) as reranker:
        fits, cut = " ".join(words[:room]), " ".join(words)
        ranking = sorted(reranker.rank(QUERY, [fits, cut]), key=lambda each: each.index)
        assert [each.is_truncated for each in ranking] == [False, True]
        assert [each.num_tokens for each in ranking] == [room, 200]
        assert ranking[0].log_odds == pytest.approx(ranking[1].log_odds, abs=1e-5)
        with pytest.raises(TooLongError, match=r"takes 103 tokens.*reads 64"):
            reranker.rank("fox " * 100, ["a"])


def test_windows_fit_though_words_are_cut_in_two(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "m", num_labels=1)
    text = "alarm (red) code: fox-dog. " * 40
    with _load(folder, long_documents="chunk") as reranker:
        (result,) = reranker.rank(QUERY, [text])
        assert result.window is not None
        assert not result.is_truncated
        start, end = result.window
        assert float(_log_odds(reranker, [text[start:end]])[0]) == pytest.approx(result.log_odds, abs=1e-5)
        spans = reranker.model.windows(QUERY, text, None, None, 0.2)
        assert (spans[0][0], spans[-1][1]) == (0, len(text.rstrip()))
        assert not any(pair.is_truncated for pair in reranker.model.encode(QUERY, [text[a:b] for a, b in spans], None))


def test_control_tokens_in_texts_are_letters_unless_asked_for(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "m", num_labels=1)
    texts = ["red [SEP] fox", "[PAD] fox [CLS]"]
    expected = _expected(folder, texts)
    with _load(folder, parse_control_tokens=True) as parsing:
        np.testing.assert_allclose(_log_odds(parsing, texts), expected, atol=1e-5)
    with _load(folder) as reranker:
        assert abs(_log_odds(reranker, texts) - expected).min() > 1e-4


def test_it_pauses_between_layers(tmp_path: Path) -> None:
    with _load(save_classifier(tmp_path / "m", num_labels=1, num_hidden_layers=4)) as reranker:
        model = reranker.model
        pairs = model.encode(QUERY, ["red fox", "a dog"], None)
        expected, seen = model.compute(pairs).values, []
        model.on_pause = lambda: seen.append(1)
        assert np.array_equal(model.compute(pairs).values, expected)
    assert len(seen) == 3


@pytest.mark.parametrize("is_embedder", [False, True])
def test_an_adapter_gives_pefts_scores(tmp_path: Path, is_embedder: bool) -> None:
    folder = save_embedder(tmp_path / "m") if is_embedder else save_classifier(tmp_path / "m", num_labels=1)
    adapter = save_adapter(folder, tmp_path / "adapter")
    texts = documents(12, 80)
    expected = adapted_logits(folder, adapter, texts).numpy()
    with _load(adapter) as reranker:
        assert reranker.info.kind == "cross_encoder"
        np.testing.assert_allclose(_log_odds(reranker, texts), expected, atol=1e-5)
    if not is_embedder:
        assert abs(_expected(folder, texts) - expected).max() > 0.1


def test_an_adapter_over_the_packaged_model(tmp_path: Path) -> None:
    base = embedded.embedded_path()
    adapter = save_adapter(base, tmp_path / "adapter", base_name=embedded.NAME, lora_alpha=1)
    texts = ["Mars is the red planet.", "", "Bread is baked."]
    with _load(adapter) as reranker:
        assert reranker.info.max_length == 512
        np.testing.assert_allclose(_log_odds(reranker, texts), adapted_logits(base, adapter, texts).numpy(), atol=1e-5)


def test_neither_transformers_nor_peft_is_imported(tmp_path: Path) -> None:
    adapter = save_adapter(save_embedder(tmp_path / "m"), tmp_path / "adapter")
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['transformers', 'sentence_transformers', 'peft', 'accelerate', 'scipy']))\n"
        "from finerank import Reranker\n"
        "with Reranker(sys.argv[1], device='cpu', self_test='off') as reranker:\n"
        "    print(len(reranker.rank('red fox', ['a', 'b'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(adapter)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "2\n", done.stderr


@pytest.mark.parametrize("missing", ["classifier.weight", "bert.pooler.dense.bias"])
def test_a_head_that_is_not_there_is_refused(tmp_path: Path, missing: str) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_classifier(tmp_path / "m", num_labels=1)
    tensors = load_file(folder / "model.safetensors")
    del tensors[missing]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        DamagedError, match=rf"no weights for its classification head \({missing.removeprefix('bert.')}"
    ):
        _load(folder)


def test_a_head_of_other_labels_is_refused(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "m", **TWO_LABELS)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "LABEL_0"}}))
    with pytest.raises(DamagedError, match=r"'classifier.weight' is \(2, 32\)"):
        _load(folder)


def test_what_our_network_does_not_know_goes_through_sentence_transformers(tmp_path: Path) -> None:
    texts = documents(4, 30)

    def kind(folder: Path) -> type:
        with _load(folder) as reranker:
            found = reranker.log_odds([(QUERY, text) for text in texts])
            model = type(reranker.model)
        np.testing.assert_allclose(found, _expected(folder, texts), atol=1e-5)
        return model

    assert kind(save_classifier(tmp_path / "a", num_labels=1)) is BertCrossEncoder
    assert kind(save_classifier(tmp_path / "b", num_labels=1, hidden_act="relu")) is ClassicCrossEncoder
    changed = save_classifier(tmp_path / "c", num_labels=1)
    settings = json.loads((changed / "tokenizer_config.json").read_text())
    (changed / "tokenizer_config.json").write_text(json.dumps(settings | {"do_lower_case": False}))
    assert kind(changed) is ClassicCrossEncoder
    assert bert_config().hidden_act == "gelu"
