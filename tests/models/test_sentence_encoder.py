"""What sentence-transformers can save and `Embedder` must read: each kind of modules against `encode` itself."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizerFast

from finerank import Embedder, Reranker, UnsupportedError
from finerank.models import packed_linears
from finerank.models.packed_linears import pack_linears, replace_modules
from finerank.models.token_counter import counter_of

WORDS = "fox dog cat planet red alarm pressure sensor the a is of jumps over what when law code".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _texts() -> list[str]:
    chosen = random.Random(2)
    return ["", *(" ".join(chosen.choices(WORDS, k=chosen.randint(1, 90))) for _ in range(20))]


TEXTS = _texts()


def _save(folder: Path, modules: list[nn.Module], **prompts: str) -> Path:
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder))
    return folder


def _static(folder: Path, **prompts: str) -> Path:
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(SPECIAL + WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    return _save(folder, [StaticEmbedding(tokenizer, embedding_dim=16), Normalize()], **prompts)


def _bert(folder: Path) -> Transformer:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    sizes = {"vocab_size": 32, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = BertConfig(**sizes, intermediate_size=48, max_position_embeddings=64, initializer_range=0.3)
    BertModel(config).save_pretrained(folder)
    return Transformer(str(folder))


def _check(folder: Path) -> None:
    reference = SentenceTransformer(str(folder), device="cpu")
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        for ours, theirs in (
            (embedder.embed_queries(TEXTS), reference.encode_query(TEXTS, normalize_embeddings=True)),
            (embedder.embed_documents(TEXTS), reference.encode_document(TEXTS, normalize_embeddings=True)),
            (embedder.embed(TEXTS, "plain", normalize=False).vectors, reference.encode(TEXTS)),
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_static_model(tmp_path: Path) -> None:
    folder = _static(tmp_path / "static", query="what is ")
    _check(folder)
    with Embedder(str(folder), dtype="bfloat16", device="cpu") as embedder:
        found = embedder.embed(["red fox", "", "fox " * 90])
        assert (found.num_tokens, found.truncated, embedder.info.max_length) == ([2, 0, 90], (), 8192)
        assert (embedder.info.dtype, embedder.info.dimensions, embedder.info.pooling) == ("float32", 16, None)
        assert embedder.token_offsets("red fox") == [(0, 3), (4, 7)]
        whole = embedder.info.fingerprint
    with Embedder(str(folder), device="cpu", max_length=16) as short:
        found = short.embed(["fox " * 10 + "red " * 90])
        assert (found.num_tokens, found.truncated, short.info.fingerprint) == ([100], (0,), whole)
        np.testing.assert_allclose(found.vectors, short.embed_documents(["fox " * 10 + "red " * 6]), atol=1e-6)


def test_a_static_model_reranks(tmp_path: Path) -> None:
    folder = _static(tmp_path / "static")
    vectors = SentenceTransformer(str(folder), device="cpu").encode(["red planet", *TEXTS], normalize_embeddings=True)
    with Reranker(str(folder), device="cpu", self_test="off") as reranker:
        scores = reranker.score([("red planet", text) for text in TEXTS])
    assert scores == pytest.approx((1 + vectors[1:] @ vectors[0]) / 2, abs=1e-5)


@pytest.mark.parametrize("mode", ["cls", "max", "mean", ("cls", "mean")])
def test_poolings(tmp_path: Path, mode: Any) -> None:
    folder = _save(tmp_path / "saved", [_bert(tmp_path / "bert"), Pooling(32, mode)], query="what is ")
    _check(folder)
    with Embedder(str(folder), device="cpu") as embedder:
        assert embedder.info.pooling == (mode if isinstance(mode, str) else "+".join(mode))


def test_a_dense_layer_after_it(tmp_path: Path) -> None:
    dense = Dense(32, 8)
    folder = _save(tmp_path / "saved", [_bert(tmp_path / "bert"), Pooling(32), dense, Normalize()], document="the ")
    _check(folder)
    with Embedder(str(folder), device="cpu") as embedder:
        before = embedder.info.fingerprint
        assert embedder.info.dimensions == 8
    with torch.no_grad():
        dense.linear.weight.mul_(2.0)
    dense.save(str(next(folder.glob("*_Dense"))))
    with Embedder(str(folder), device="cpu") as embedder:
        assert embedder.info.fingerprint != before


def test_a_tokenizer_that_cannot_count_is_named() -> None:
    with pytest.raises(UnsupportedError, match="tokenizer is a object"):
        counter_of(object())


def test_what_was_packed_is_put_back_and_nothing_else() -> None:
    if not packed_linears.can_pack(torch.float32):
        pytest.skip("this torch has no packed product")
    tied = nn.Linear(8, 8)
    network = nn.ModuleDict({"plain": nn.Linear(8, 8), "one": tied, "two": nn.Linear(8, 8)})
    network["two"].weight = tied.weight
    before = dict(network.named_modules())
    layers = pack_linears(network)
    assert layers == {"plain": before["plain"]}
    assert (network["one"], network["two"]) == (before["one"], before["two"])
    replace_modules(network, layers)
    assert dict(network.named_modules()) == before
