"""Qwen3 embedders on the packed network against sentence-transformers itself."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from finerank import DamagedError, Embedder, FinerankWarning, NotAModelError, Reranker, TooLongError
from finerank.models.qwen3.embedder import Qwen3Embedder
from finerank.models.sentence_encoder import SentenceEncoder
from finerank.scores import FloatArray
from tests.conftest import SCRIPTS, MakeQwen3
from tests.embedders import as_embedder

WORDS = " ".join(SCRIPTS.values()).split()
INSTRUCTION = "Given a technician's question, retrieve the page that explains it."
TEXTS = ["", " ", "E07", "狐狸 👩‍👩‍👧‍👦", "a\nline", *SCRIPTS.values()]

pytestmark = pytest.mark.filterwarnings("ignore:.*incorrect regex pattern.*")


def _texts(count: int, *, longest: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(make_qwen3: MakeQwen3) -> Path:
    return as_embedder(make_qwen3(seed=3))


def _reference(folder: Path, dtype: torch.dtype = torch.float32, **options: Any) -> SentenceTransformer:
    return SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype}, **options
    )


@pytest.fixture(scope="module")
def reference(folder: Path) -> SentenceTransformer:
    return _reference(folder)


def _embedder(folder: Path, **options: Any) -> Embedder:
    return Embedder(str(folder), **({"dtype": "float32", "device": "cpu"} | options))


def _encode(reference: SentenceTransformer, texts: list[str], **options: Any) -> FloatArray:
    vectors: FloatArray = reference.encode(texts, normalize_embeddings=True, show_progress_bar=False, **options)
    return vectors


def test_documents_and_queries_equal_sentence_transformers(folder: Path, reference: SentenceTransformer) -> None:
    with _embedder(folder) as embedder:
        assert isinstance(embedder.model, Qwen3Embedder)
        assert np.ptp(_encode(reference, TEXTS) @ _encode(reference, TEXTS).T) > 0.1, "all alike would prove nothing"
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), reference.encode_document(TEXTS), atol=1e-5)
        np.testing.assert_allclose(embedder.embed_queries(TEXTS), reference.encode_query(TEXTS), atol=1e-5)
        assert np.abs(embedder.embed_queries(TEXTS) - embedder.embed_documents(TEXTS)).max() > 0.1


@pytest.mark.parametrize("instruction", [INSTRUCTION, "", "ends with a break\n", "two\nlines", "一句话 "])
def test_an_instruction_of_ones_own(folder: Path, reference: SentenceTransformer, instruction: str) -> None:
    expected = _encode(reference, TEXTS, prompt=f"Instruct: {instruction}\nQuery:")
    with _embedder(folder) as embedder:
        np.testing.assert_allclose(embedder.embed_queries(TEXTS, instruction=instruction), expected, atol=1e-5)


def test_long_and_short_ones_together_and_alone(folder: Path, reference: SentenceTransformer) -> None:
    texts = [*_texts(24, longest=60), *_texts(2, longest=600, seed=9)]
    expected = _encode(reference, texts)
    with _embedder(folder, batch_tokens=500) as embedder:
        together = embedder.embed_documents(texts)
        np.testing.assert_allclose(together, expected, atol=1e-5)
        alone = np.concatenate([embedder.embed_documents([text]) for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-6)
        queries = np.concatenate([embedder.embed_queries([text]) for text in texts[:8]])
        np.testing.assert_allclose(embedder.embed_queries(texts[:8]), queries, atol=1e-6)


def test_the_end_token_survives_truncation(folder: Path) -> None:
    texts = _texts(3, longest=400, seed=5)
    num_tokens = len(_reference(folder).tokenizer(texts[0])["input_ids"])
    for max_length in (num_tokens - 1, num_tokens, num_tokens + 1, 60):
        reference = _reference(folder)
        reference.max_seq_length = max_length
        with _embedder(folder, max_length=max_length) as embedder:
            np.testing.assert_allclose(embedder.embed_documents(texts), reference.encode_document(texts), atol=1e-5)
            np.testing.assert_allclose(embedder.embed_queries(texts), reference.encode_query(texts), atol=1e-5)
            found = embedder.embed(texts)
            assert (0 in found.truncated) is (max_length < num_tokens)
            assert found.num_tokens[0] == num_tokens - 1


def test_cut_dimensions(folder: Path) -> None:
    reference = _reference(folder, truncate_dim=16)
    with _embedder(folder, dimensions=16) as embedder, _embedder(folder) as whole:
        cut = embedder.embed_documents(TEXTS)
        assert cut.shape == (len(TEXTS), 16)
        np.testing.assert_allclose(cut, _encode(reference, TEXTS), atol=1e-5)
        np.testing.assert_allclose(whole.embed(TEXTS, dimensions=16).vectors, cut, atol=1e-6)
        assert embedder.info.dimensions == 16
        assert embedder.info.fingerprint != whole.info.fingerprint


def test_dimensions_that_the_folder_asks_for(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3), truncate_dim=24)
    with _embedder(folder) as embedder:
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), _encode(_reference(folder), TEXTS), atol=1e-5)


def test_vectors_as_the_network_gives_them(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3), normalizes=False)
    expected = _reference(folder).encode(TEXTS)
    assert np.abs(np.linalg.norm(expected, axis=1) - 1).min() > 0.1
    with _embedder(folder) as embedder:
        np.testing.assert_allclose(embedder.embed(TEXTS, "plain", normalize=False).vectors, expected, atol=1e-4)


def test_bf16_error_is_no_larger_than_transformers_own(make_qwen3: MakeQwen3) -> None:
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 6, "initializer_range": 0.06}
    folder = as_embedder(make_qwen3(**shape))
    texts = _texts(16, longest=40)
    exact = _encode(_reference(folder), texts)
    theirs = np.abs(_encode(_reference(folder, torch.bfloat16), texts) - exact).mean()
    with _embedder(folder, dtype="bfloat16") as embedder:
        ours = np.abs(embedder.embed_documents(texts) - exact).mean()
    assert 0 < ours <= theirs
    assert ours < 0.01


@pytest.mark.parametrize("spelling", [{"pooling_mode": "lasttoken"}, {"pooling_mode": ["lasttoken"]}])
def test_newer_spellings_of_pooling(make_qwen3: MakeQwen3, spelling: dict[str, Any]) -> None:
    folder = as_embedder(make_qwen3(seed=3), pooling=spelling)
    with _embedder(folder) as embedder:
        assert isinstance(embedder.model, Qwen3Embedder)
        assert embedder.info.pooling == "lasttoken"


def test_without_prompts_in_the_folder_the_model_cards_is_used(make_qwen3: MakeQwen3, folder: Path) -> None:
    bare = as_embedder(make_qwen3(seed=3), prompts=None)
    with _embedder(bare) as embedder, _embedder(folder) as official:
        np.testing.assert_allclose(embedder.embed_queries(TEXTS), official.embed_queries(TEXTS), atol=1e-6)
        assert embedder.info.default_instruction == official.info.default_instruction
        assert official.info.default_instruction.startswith("Given a web search query")


def test_prompts_without_a_place_for_an_instruction(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3), prompts={"query": "query: ", "document": "passage: "})
    reference = _reference(folder)
    with _embedder(folder) as embedder:
        assert embedder.info.default_instruction is None
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), reference.encode_document(TEXTS), atol=1e-5)
        with pytest.warns(FinerankWarning, match="the instruction was ignored"):
            queries = embedder.embed_queries(TEXTS, instruction="find it")
        np.testing.assert_allclose(queries, reference.encode_query(TEXTS), atol=1e-5)


def test_weights_under_both_names(folder: Path, tmp_path: Path) -> None:
    """The official folders hold the network alone, without `model.` before its tensors."""
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    tensors = load_file(folder / "model.safetensors")
    shorter = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name != "lm_head.weight"}
    save_file(shorter, bare / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((bare / "config.json").read_text()) | {"architectures": ["Qwen3Model"]}
    (bare / "config.json").write_text(json.dumps(config))
    with _embedder(bare) as embedder, _embedder(folder) as whole:
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), whole.embed_documents(TEXTS), atol=1e-6)


def test_a_folder_that_does_more_goes_through_sentence_transformers(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3), pooling={"pooling_mode": "mean"})
    with _embedder(folder) as embedder:
        assert isinstance(embedder.model, SentenceEncoder)
        assert embedder.info.pooling == "mean"
        np.testing.assert_allclose(
            embedder.embed_documents(TEXTS[2:]), _encode(_reference(folder), TEXTS[2:]), atol=1e-5
        )
        instructed = _encode(_reference(folder), TEXTS[2:], prompt=f"Instruct: {INSTRUCTION}\nQuery:")
        found = embedder.embed_queries(TEXTS[2:], instruction=INSTRUCTION)
        np.testing.assert_allclose(found, instructed, atol=1e-5)


def test_control_tokens_in_texts_are_letters(folder: Path, reference: SentenceTransformer) -> None:
    text = ["quoted <|endoftext|> and <think>"]
    with _embedder(folder) as embedder, _embedder(folder, parse_control_tokens=True) as parsing:
        expected = reference.encode_document(text)
        np.testing.assert_allclose(parsing.embed_documents(text), expected, atol=1e-5)
        assert np.abs(embedder.embed_documents(text) - expected).max() > 1e-3
        assert embedder.count_tokens(text)[0] > parsing.count_tokens(text)[0]


def test_without_an_end_token_an_empty_text_fails_alone(make_qwen3: MakeQwen3) -> None:
    """A tokenizer of the first releases: the vector is then that of the text's own last token."""
    folder = as_embedder(make_qwen3(seed=3), ends=False)
    expected = _encode(_reference(folder), ["E07"])
    with _embedder(folder) as embedder:
        found = embedder.embed(["a fox", "", "E07"])
        assert found.errors == {1: "the text has no token to read a vector from"}
        np.testing.assert_allclose(found.vectors[2:], expected, atol=1e-5)
        assert np.isfinite(found.vectors[[0, 2]]).all()


def test_the_instruction_is_computed_once(folder: Path) -> None:
    with _embedder(folder) as embedder:
        first = embedder.embed(["a fox", "a dog"], "query", instruction=INSTRUCTION).facts.usage
        again = embedder.embed(["a fox", "a dog"], "query", instruction=INSTRUCTION).facts.usage
        model = embedder.model
        assert isinstance(model, Qwen3Embedder)
        shared = model.encoder.prompt(f"Instruct: {INSTRUCTION}\nQuery:").shared_tokens
        assert shared > 5
        assert first.prompt_tokens - first.computed_tokens == shared
        assert first.computed_tokens - again.computed_tokens == shared


def test_deterministic_is_exactly_so(folder: Path) -> None:
    with _embedder(folder, deterministic=True) as embedder:
        together = embedder.embed_queries(TEXTS)
        alone = np.concatenate([embedder.embed_queries([text]) for text in TEXTS])
        assert (together == alone).all()


def test_an_instruction_that_leaves_no_room_is_refused(folder: Path) -> None:
    with _embedder(folder, max_length=32) as embedder, pytest.raises(TooLongError, match="max_length is 32"):
        embedder.embed_queries(["a fox"], instruction="word " * 40)


def test_nan_weights_are_told(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3))
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][:] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with _embedder(folder) as embedder, pytest.warns(FinerankWarning, match="gave nan instead of a number"):
        assert np.isnan(embedder.embed_documents(["a fox"])).all()


def test_a_reranker_is_no_embedder(tiny_qwen3: Path) -> None:
    with pytest.raises(NotAModelError, match="is no embedding model but a reranker"):
        Embedder(str(tiny_qwen3))


def test_a_tokenizer_of_another_model_is_refused(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3, vocab_size=400))
    with pytest.raises(DamagedError, match="do not belong together"):
        _embedder(folder)


def test_the_gpu_way_of_attention_gives_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from finerank.models.qwen3 import network
    from finerank.models.qwen3.attention import PaddedAttention

    with _embedder(folder) as embedder:
        expected = embedder.embed_queries(TEXTS)
    monkeypatch.setattr(network, "attention_for", lambda device: PaddedAttention())
    with _embedder(folder, batch_tokens=200) as embedder:
        np.testing.assert_allclose(embedder.embed_queries(TEXTS), expected, atol=1e-5)


def test_as_a_reranker_it_compares_its_own_vectors(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3, initializer_range=0.06), ends=False)
    with (
        Reranker(str(folder), dtype="float32", device="cpu", self_test="off") as reranker,
        _embedder(folder) as embedder,
    ):
        ranking = reranker.assess([("a fox", text) for text in TEXTS])
        with pytest.warns(FinerankWarning, match="text 0 has no vector"):
            documents = embedder.embed_documents(TEXTS)
        expected = (1 + documents @ embedder.embed_queries(["a fox"])[0]) / 2
    assert TEXTS[0] == ""
    assert ranking[0].error == "the text has no token to read a vector from"
    assert [each.score for each in ranking[1:]] == pytest.approx(expected[1:], abs=1e-5)
    assert ranking.facts.model.kind == "bi_encoder"
