"""Embedders on our BERT: which folders go there, and that their vectors are those of sentence-transformers."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

from finerank import Embedder, TooLongError
from finerank.models import text_loading
from finerank.models.bert.embedder import BertEmbedder
from finerank.models.sentence_encoder import SentenceEncoder
from tests.conftest import SCRIPTS

WORDS = "fox dog cat planet red alarm pressure sensor the a is of jumps over what when law code müde Red".split()
LETTERS = [chr(code) for code in range(97, 123)]


def _texts() -> list[str]:
    chosen = random.Random(2)
    made = [" ".join(chosen.choices(WORDS, k=chosen.randint(1, 90))) for _ in range(12)]
    return ["", "Müde RED\u0301 foxes\t狐 E07", *SCRIPTS.values(), *made]


TEXTS = _texts()


def _save(folder: Path, pooling: str = "mean", *, lower: bool = True, normalizes: bool = True, **prompts: str) -> Path:
    bare = folder / "bare"
    bare.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *[f"##{each}" for each in LETTERS]]
    (bare / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(bare / "vocab.txt"), do_lower_case=lower, model_max_length=64).save_pretrained(bare)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = BertConfig(**sizes, vocab_size=90, max_position_embeddings=64, initializer_range=0.3)
    BertModel(config).save_pretrained(bare)
    modules = [Transformer(str(bare)), Pooling(32, pooling), *([Normalize()] if normalizes else [])]
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder / "st"))
    return folder / "st"


def _change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("pooling", ["cls", "max", "mean"])
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, pooling: str, lower: bool) -> None:
    folder = _save(tmp_path, pooling, lower=lower, normalizes=lower, query="what is ", document="the ")
    reference = SentenceTransformer(str(folder), device="cpu")
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        assert isinstance(embedder.model, BertEmbedder)
        assert embedder.info.pooling == pooling
        for ours, theirs in (
            (embedder.embed_queries(TEXTS), reference.encode_query(TEXTS, normalize_embeddings=True)),
            (embedder.embed_documents(TEXTS), reference.encode_document(TEXTS, normalize_embeddings=True)),
            (embedder.embed(TEXTS, "plain", normalize=False).vectors, reference.encode(TEXTS)),
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_both_ways_to_a_vector_have_one_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that was made through sentence-transformers is searched on our network."""
    folder = _save(tmp_path, query="what is ")
    with Embedder(str(folder), dtype="float32", device="cpu") as ours:
        found = ours.embed(TEXTS, "query")
    monkeypatch.setattr(text_loading, "_load_bert", lambda *_: None)
    with Embedder(str(folder), dtype="float32", device="cpu") as theirs:
        assert isinstance(theirs.model, SentenceEncoder)
        expected = theirs.embed(TEXTS, "query")
        assert theirs.info == ours.info
        assert theirs.count_tokens(TEXTS) == ours.count_tokens(TEXTS)
    assert (found.num_tokens, found.truncated, found.blank) == (expected.num_tokens, expected.truncated, expected.blank)
    assert found.facts.usage == expected.facts.usage
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_the_length_that_is_read_is_that_of_sentence_transformers(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    text = "red fox dog " * 30
    for settings, of_tokenizer, expected in ((None, 24, 24), (48, 24, 48), (16, 24, 16), (None, 10**30, 64)):
        _change(folder / "sentence_bert_config.json", max_seq_length=settings)
        _change(folder / "tokenizer_config.json", model_max_length=of_tokenizer)
        with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
            assert embedder.info.max_length == expected
            vectors = embedder.embed_documents([text])
        if expected < 64:  # with no limit at all the reference fails
            reference = SentenceTransformer(str(folder), device="cpu")
            np.testing.assert_allclose(vectors, reference.encode([text], normalize_embeddings=True), atol=1e-5)


def test_control_tokens_in_texts_are_text_unless_asked_for(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    reference = SentenceTransformer(str(folder), device="cpu").encode(["red [SEP] fox"], normalize_embeddings=True)
    with Embedder(str(folder), dtype="float32", device="cpu", parse_control_tokens=True) as parsing:
        np.testing.assert_allclose(parsing.embed_documents(["red [SEP] fox"]), reference, atol=1e-5)
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        assert embedder.count_tokens(["[SEP]"]) == [5]  # two brackets that are unknown, and s-e-p
        assert abs(embedder.embed_documents(["red [SEP] fox"]) - reference).max() > 1e-3


def test_a_prompt_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    folder = _save(tmp_path, query="red " * 70)
    with (
        Embedder(str(folder), device="cpu") as embedder,
        pytest.raises(TooLongError, match="the prompt takes 72 tokens with the special ones, but the model reads 64"),
    ):
        embedder.embed_queries(["a"])


def test_what_our_network_does_not_know_goes_through_sentence_transformers(tmp_path: Path) -> None:
    def kind(folder: Path) -> type:
        with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
            vectors = embedder.embed_documents(TEXTS)
            model = type(embedder.model)
        expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        return model

    folder = _save(tmp_path / "a")
    assert kind(folder) is BertEmbedder
    _change(folder / "tokenizer_config.json", do_lower_case=False)  # another tokenizer than that of tokenizer.json
    assert kind(folder) is SentenceEncoder
    folder = _save(tmp_path / "b")
    _change(folder / "1_Pooling" / "config.json", include_prompt=False)
    assert kind(folder) is SentenceEncoder
    folder = _save(tmp_path / "c", "weightedmean")
    assert kind(folder) is SentenceEncoder
