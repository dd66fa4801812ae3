"""Our BERT against transformers' own, on tiny random weights."""

from array import array
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig as TheirConfig
from transformers import BertForSequenceClassification, BertModel

from finerank.errors import DamagedError, UnsupportedError
from finerank.models.bert.config import BertConfig
from finerank.models.bert.network import BertNetwork
from finerank.models.bert.rows import Group, Rows
from finerank.models.tensors import SafetensorsFolder, read_json

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
LENGTHS = (7, 1, 40, 7, 3, 7)


def _texts(num_kinds: int = 1) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(50 if num_kinds == 1 else num_kinds, (n,), generator=generator).tolist() for n in LENGTHS]


def _saved(folder: Path, *, classifier: bool = False, **changes: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    network = (BertForSequenceClassification if classifier else BertModel)(TheirConfig(**(SIZES | changes))).eval()
    for name, parameter in network.named_parameters():
        if "LayerNorm" in name or name.endswith("bias"):  # ones and zeros would hide one that is left out
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    network.save_pretrained(folder)
    return network.bert if classifier else network


def _ours(folder: Path, dtype: torch.dtype = torch.float32) -> BertNetwork:
    config = BertConfig.from_dict(read_json(folder / "config.json"))
    return BertNetwork(config, SafetensorsFolder(folder), torch.device("cpu"), dtype)


@torch.no_grad()
def _expected(network: Any, texts: list[list[int]], types: list[list[int]] | None = None) -> list[torch.Tensor]:
    kinds = types or [[0] * len(text) for text in texts]
    return [
        network(torch.tensor([text]), token_type_ids=torch.tensor([kind])).last_hidden_state[0]
        for text, kind in zip(texts, kinds, strict=True)
    ]


@pytest.mark.parametrize("has_types", [False, True])
@pytest.mark.parametrize("classifier", [False, True])
def test_hidden_states_are_those_of_transformers(tmp_path: Path, classifier: bool, has_types: bool) -> None:
    reference = _saved(tmp_path, classifier=classifier)
    texts, types = _texts(), _texts(2) if has_types else None
    rows, expected = Rows(texts, types), _expected(reference, texts, types)
    network = _ours(tmp_path)
    in_layout = [expected[place] for place in rows.order]
    torch.testing.assert_close(network.run(rows), torch.cat(in_layout), atol=1e-5, rtol=0)
    first = rows.in_callers_order(network.run(rows, first_only=True))
    torch.testing.assert_close(first, torch.stack([text[0] for text in expected]), atol=1e-5, rtol=0)


def test_bf16_is_no_further_off_than_transformers(tmp_path: Path) -> None:
    exact = _saved(tmp_path)
    texts = _texts()
    rows = Rows(texts)
    expected = torch.cat([_expected(exact, texts)[place] for place in rows.order])
    rounded = torch.cat([_expected(exact.bfloat16(), texts)[place] for place in rows.order])
    ours = _ours(tmp_path, torch.bfloat16).run(rows)
    assert ours.dtype == torch.float32
    assert float((ours - expected).abs().mean()) <= float((rounded - expected).abs().mean())


def test_it_pauses_between_layers_and_may_run_another_batch_then(tmp_path: Path) -> None:
    _saved(tmp_path)
    network, rows, other = _ours(tmp_path), Rows(_texts()), Rows([[1, 2, 3]])
    expected, seen = network.run(rows), []
    found = network.run(rows, on_pause=lambda: seen.append(network.run(other)))
    assert len(seen) == 2
    assert torch.equal(found, expected)


def test_texts_of_one_length_are_a_group() -> None:
    rows = Rows([array("i", text) for text in _texts()])
    assert rows.groups == [Group(0, 1, 40), Group(40, 3, 7), Group(61, 1, 3), Group(64, 1, 1)]
    assert (rows.num_rows, rows.order, rows.starts.tolist()) == (65, [2, 0, 3, 5, 4, 1], [0, 40, 47, 54, 61, 64])
    assert rows.positions[38:50].tolist() == [38, 39, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    assert rows.in_callers_order(torch.tensor(rows.order)).tolist() == list(range(6))


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"auto_map": {"AutoModel": "code.Model"}},
        {"num_attention_heads": 5},
        {"vocab_size": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_network_does_not_compute_is_refused(change: dict[str, Any]) -> None:
    config = TheirConfig(**SIZES).to_dict()
    assert BertConfig.from_dict(config).num_layers == 3
    with pytest.raises(UnsupportedError):
        BertConfig.from_dict(config | change)


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = _saved(tmp_path)
    config = BertConfig.from_dict(read_json(tmp_path / "config.json"))

    class Changed(SafetensorsFolder):
        extra: frozenset[str] = frozenset()
        missing: frozenset[str] = frozenset()

        def names(self) -> set[str]:
            return (super().names() | self.extra) - self.missing

    def load(**changes: set[str]) -> BertNetwork:
        tensors = Changed(tmp_path)
        for name, value in changes.items():
            setattr(tensors, name, value)
        return BertNetwork(config, tensors, torch.device("cpu"), torch.float32)

    load(extra={"cls.predictions.bias", "embeddings.position_ids"})
    with pytest.raises(UnsupportedError, match=r"'encoder.layer.0.adapter.weight', which this network would ignore"):
        load(extra={"encoder.layer.0.adapter.weight"})
    with pytest.raises(UnsupportedError, match=r"no tensor 'encoder.layer.1.output.dense.bias'"):
        load(missing={"encoder.layer.1.output.dense.bias"})
    network.config.vocab_size = 51
    network.config.save_pretrained(tmp_path)
    with pytest.raises(DamagedError, match=r"is \(50, 32\), config.json asks for \(51, 32\)"):
        _ours(tmp_path)
