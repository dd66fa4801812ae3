"""`Embedder` with the embedded model and tiny BERTs, against sentence-transformers itself."""

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizerFast

from finerank import Embedder, EngineError, FinerankWarning, InputError, TooLongError
from finerank.models import packed_linears
from finerank.models.bert.embedder import BertEmbedder
from finerank.models.embedded import embedded_path
from finerank.models.packed_linears import PackedLinearModule
from finerank.models.sentence_encoder import SentenceEncoder
from tests.conftest import SCRIPTS, MakeQwen3
from tests.embedders import as_embedder
from tests.server.fake_text_model import FakeTextModel

WORDS = "fox dog cat planet red alarm pressure sensor the a is of jumps over what when law code".split()
TEXTS = ["", "E07", *SCRIPTS.values(), "long " * 400]


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    with Embedder(device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(embedded_path()), device="cpu", local_files_only=True)


def _bert(folder: Path, *, hidden_act: str = "gelu", **prompts: str) -> Path:
    torch.manual_seed(0)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    sizes = {"vocab_size": 32, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        **sizes, intermediate_size=48, max_position_embeddings=64, initializer_range=0.3, hidden_act=hidden_act
    )
    BertModel(config).save_pretrained(folder)
    SentenceTransformer(str(folder), device="cpu", prompts=prompts).save(str(folder / "st"))
    return folder / "st"


def _random_texts(count: int, longest: int) -> list[str]:
    chosen = random.Random(1)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count)]


def test_the_embedded_model_is_sentence_transformers(embedder: Embedder, reference: SentenceTransformer) -> None:
    expected = reference.encode(TEXTS)
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_queries(TEXTS), expected, atol=1e-5)
    info = embedder.info
    assert (info.name, info.is_default, info.pooling) == ("all-MiniLM-L6-v2", True, "mean")
    assert (info.dimensions, info.max_length, info.counts_tokens) == (384, 256, True)


def test_products_of_other_networks_are_packed(tmp_path: Path) -> None:
    if not packed_linears.can_pack(torch.float32):
        pytest.skip("this torch has no packed product")
    with Embedder(str(_bert(tmp_path / "bert", hidden_act="relu")), dtype="float32", device="cpu") as embedder:
        assert isinstance(embedder.model, SentenceEncoder)
        modules = list(embedder.model._encoder.modules())
    assert sum(isinstance(module, PackedLinearModule) for module in modules) == 13  # 2 layers of 6, and the pooler


def test_the_default_models_need_no_transformers() -> None:
    """Importing it takes several times as long as all else that a start does."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['transformers', 'sentence_transformers', 'sklearn', 'scipy']))\n"
        "from finerank import Embedder, Reranker\n"
        "with Embedder(device='cpu') as embedder, Reranker(device='cpu') as reranker:\n"
        "    print(embedder.embed_documents(['a']).shape, reranker.rank('a', ['a', 'b'])[0].index)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "(1, 384) 0\n", done.stderr


def test_the_same_vector_in_any_company(embedder: Embedder) -> None:
    together = embedder.embed_documents(TEXTS)
    alone = np.concatenate([embedder.embed_documents([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    shuffled = embedder.embed_documents([TEXTS[index] for index in order])
    np.testing.assert_allclose(shuffled, together[order], atol=1e-6)


def test_what_a_call_was_like(embedder: Embedder) -> None:
    found = embedder.embed(["mars is red", " ", "word " * 400])
    assert len(found) == 3
    assert (found.num_tokens, found.truncated, found.blank, found.errors) == ([3, 0, 400], (2,), (1,), {})
    assert (found.facts.usage.prompt_tokens, found.facts.num_truncated, found.facts.num_blank) == (5 + 2 + 256, 1, 1)
    assert found.facts.model.fingerprint == embedder.info.fingerprint
    assert embedder.count_tokens(["mars is red", "word " * 400, ""]) == [3, 400, 0]
    assert embedder.token_offsets("mars is red") == [(0, 4), (5, 7), (8, 11)]
    with pytest.raises(TooLongError, match="text 1 has 400 tokens"):
        embedder.embed(["mars", "word " * 400], truncate=False)


def test_trouble_with_one_text_is_its_own(embedder: Embedder) -> None:
    texts: list[Any] = ["mars", None, "\ud800", "venus"]
    with pytest.warns(FinerankWarning) as warned:
        vectors = embedder.embed_documents(texts)
    assert np.isnan(vectors).any(axis=1).tolist() == [False, True, True, False]
    assert [str(each.message)[:6] for each in warned] == ["text 1", "text 2"]
    np.testing.assert_allclose(vectors[[0, 3]], embedder.embed_documents(["mars", "venus"]), atol=1e-6)


def test_what_cannot_be_asked(embedder: Embedder) -> None:
    for texts in ("a text", b"bytes", {"a": 1}, None):
        with pytest.raises(InputError, match="texts must be a list"):
            embedder.embed_documents(texts)  # type: ignore[arg-type]
    for dimensions in (0, 385, True, 1.5):
        with pytest.raises(InputError, match="dimensions is"):
            embedder.embed(["a"], dimensions=dimensions)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_length is 4"):
        Embedder(max_length=4)
    assert embedder.embed_documents([]).shape == (0, 384)


def test_progress_is_told(embedder: Embedder) -> None:
    seen: list[tuple[int, int]] = []
    embedder.embed_documents(["a", "b", "c"], on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_from_many_threads_at_once(embedder: Embedder) -> None:
    """Counting, cutting and computing use tokenizers of their own."""
    texts = [f"{text} {number}" for number in range(4) for text in TEXTS]
    expected, counts = embedder.embed_documents(texts), embedder.count_tokens(texts)
    with ThreadPoolExecutor(8) as pool:
        vectors = [pool.submit(embedder.embed_documents, texts[number::8]) for number in range(8)]
        counted = [pool.submit(embedder.count_tokens, texts) for _ in range(8)]
        for number, future in enumerate(vectors):
            np.testing.assert_allclose(future.result(), expected[number::8], atol=1e-6)
        assert all(future.result() == counts for future in counted)


async def test_awaitable(embedder: Embedder) -> None:
    few, many, queries = await asyncio.gather(
        embedder.aembed_documents(["mars"]),
        embedder.aembed_documents(["word " * 300] * 20),
        embedder.aembed_queries(["mars"]),
    )
    np.testing.assert_allclose(few, embedder.embed_documents(["mars"]), atol=1e-6)
    np.testing.assert_allclose(queries, few, atol=1e-6)
    assert many.shape == (20, 384)


async def test_a_cancelled_call_leaves_the_queue() -> None:
    model = FakeTextModel()
    with Embedder.from_model(model) as embedder:
        model.gate.clear()
        task = asyncio.create_task(embedder.aembed(["mars"]))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        model.gate.set()
        assert len(await embedder.aembed(["venus"])) == 1


def test_a_closed_embedder_says_so() -> None:
    embedder = Embedder.from_model(FakeTextModel())
    embedder.close()
    with pytest.raises(EngineError, match="is closed"):
        embedder.embed_documents(["a"])


def test_callers_share_batches() -> None:
    model = FakeTextModel()
    sizes: list[int] = []
    with Embedder.from_model(model) as embedder:
        embedder.on_batch = lambda facts: sizes.append(facts.num_pairs)
        model.gate.clear()
        threads = [threading.Thread(target=embedder.embed_documents, args=([f"text {n}"],)) for n in range(9)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.2)
        model.gate.set()
        for thread in threads:
            thread.join(10)
    assert sum(sizes) == 9
    assert len(sizes) <= 3


@pytest.mark.parametrize("hidden_act", ["gelu", "relu"])
def test_prompts_of_a_folder(tmp_path: Path, hidden_act: str) -> None:
    """On our network, and on one that only transformers knows."""
    folder = _bert(tmp_path / "bert", hidden_act=hidden_act, query="what is ", document="the ")
    reference = SentenceTransformer(str(folder), device="cpu")
    texts = ["", *_random_texts(30, 90)]
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        assert isinstance(embedder.model, SentenceEncoder if hidden_act == "relu" else BertEmbedder)
        for ours, theirs in (
            (embedder.embed_queries(texts), reference.encode_query(texts, normalize_embeddings=True)),
            (embedder.embed_documents(texts), reference.encode_document(texts, normalize_embeddings=True)),
            (embedder.embed(texts, "plain").vectors, reference.encode(texts, normalize_embeddings=True)),
            (embedder.embed(texts, "plain", normalize=False).vectors, reference.encode(texts)),
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
        found = embedder.embed(["red " * 80], "query")
        assert (found.num_tokens, found.truncated) == ([80], (0,))
        assert found.facts.usage.prompt_tokens == 64


def test_a_limit_of_ones_own(tmp_path: Path) -> None:
    folder = _bert(tmp_path / "bert", query="what is ")
    reference = SentenceTransformer(str(folder), device="cpu")
    reference.max_seq_length = 16
    with Embedder(str(folder), dtype="float32", device="cpu", max_length=16) as embedder:
        texts = _random_texts(10, 60)
        expected = reference.encode_query(texts, normalize_embeddings=True)
        np.testing.assert_allclose(embedder.embed_queries(texts), expected, atol=1e-5)


def test_products_are_left_alone_where_packing_changes_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _bert(tmp_path / "bert", hidden_act="relu")
    expected = SentenceTransformer(str(folder), device="cpu").encode(["red fox"], normalize_embeddings=True)
    forward = PackedLinearModule.forward
    monkeypatch.setattr(PackedLinearModule, "forward", lambda self, x: forward(self, x) * 1.5)
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        np.testing.assert_allclose(embedder.embed_documents(["red fox"]), expected, atol=1e-6)
    monkeypatch.setattr(PackedLinearModule, "forward", lambda self, x: x.no_such_thing)
    with Embedder(str(folder), dtype="float32", device="cpu") as embedder:
        np.testing.assert_allclose(embedder.embed_documents(["red fox"]), expected, atol=1e-6)


def test_a_fingerprint_tells_vectors_apart_not_machines(make_qwen3: MakeQwen3) -> None:
    folder, other = as_embedder(make_qwen3(seed=3)), as_embedder(make_qwen3(seed=4))
    unprompted = as_embedder(make_qwen3(seed=3), prompts={"query": "", "document": "search: "})
    endless = as_embedder(make_qwen3(seed=3), ends=False)
    pooled = as_embedder(make_qwen3(seed=3), pooling={"pooling_mode": "cls"})

    def fingerprint(path: Path, **options: Any) -> str:
        with Embedder(str(path), device="cpu", **options) as embedder:
            return embedder.info.fingerprint

    one = fingerprint(folder, dtype="float32")
    assert fingerprint(folder, dtype="bfloat16", max_length=64) == one
    assert fingerprint(folder, dtype="float32", dimensions=64) == one
    different = [fingerprint(path) for path in (other, unprompted, endless, pooled)]
    different.append(fingerprint(folder, dimensions=32))
    assert len({one, *different}) == 6


def test_bf16_of_the_same_weights_may_be_searched_with(make_qwen3: MakeQwen3) -> None:
    folder = as_embedder(make_qwen3(seed=3, initializer_range=0.06))
    texts = list(SCRIPTS.values())
    with Embedder(str(folder), dtype="float32", device="cpu") as exact:
        documents = exact.embed_documents(texts)
    with Embedder(str(folder), dtype="bfloat16", device="cpu") as rounded:
        assert np.einsum("nd,nd->n", rounded.embed_documents(texts), documents).min() > 0.999
