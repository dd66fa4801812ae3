"""Sequences packed one after another against transformers' own attention, one sequence at a time, no padding."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from finerank.training.packed_attention import PACKED, spans_of
from finerank.training.trainee import PairTrainee, TokenSequence, YesNoTrainee, first_position

LENGTHS = (5, 1, 23, 12)
SIZES = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "initializer_range": 0.3,
}  # fmt: skip
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def _qwen3() -> Any:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16))


def _bert() -> Any:
    return BertForSequenceClassification(
        BertConfig(**SIZES, **NO_DROPOUT, max_position_embeddings=23, type_vocab_size=2, num_labels=1)
    )


def _electra() -> Any:
    return ElectraForSequenceClassification(ElectraConfig(**SIZES, **NO_DROPOUT, embedding_size=32, num_labels=1))


def _xlm_roberta() -> Any:
    return XLMRobertaForSequenceClassification(
        XLMRobertaConfig(**SIZES, **NO_DROPOUT, max_position_embeddings=25, pad_token_id=1, num_labels=1)
    )


def _roberta() -> Any:
    return RobertaForSequenceClassification(
        RobertaConfig(**SIZES, **NO_DROPOUT, max_position_embeddings=25, pad_token_id=1, num_labels=2)
    )


def _modern_bert(pooling: str) -> Any:
    config = ModernBertConfig(
        **SIZES, local_attention=8, global_attn_every_n_layers=2, classifier_pooling=pooling, num_labels=1,
        pad_token_id=0,
    )  # fmt: skip
    return ModernBertForSequenceClassification(config)


NETWORKS: dict[str, Callable[[], Any]] = {
    "qwen3": _qwen3,
    "bert": _bert,
    "electra": _electra,
    "xlm_roberta": _xlm_roberta,
    "roberta": _roberta,
    "modern_bert_cls": lambda: _modern_bert("cls"),
    "modern_bert_mean": lambda: _modern_bert("mean"),
}


def _make(kind: str) -> Any:
    torch.manual_seed(0)
    network = NETWORKS[kind]()
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 and "norm" in name.lower():  # all ones would hide one that is left out
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return network.train()


def _sequences(kind: str) -> list[TokenSequence]:
    torch.manual_seed(1)
    has_types = kind == "bert"
    return [
        TokenSequence(
            tuple(torch.randint(3, 60, (length,)).tolist()),
            tuple(int(place > length // 2) for place in range(length)) if has_types else None,
        )
        for length in LENGTHS
    ]


def _one_at_a_time(network: Any, sequences: list[TokenSequence]) -> Tensor:
    """Transformers' own: logits of the pair, or of the last token's "yes" (7) less "no" (9)."""
    rows = []
    for each in sequences:
        types = {} if each.types is None else {"token_type_ids": torch.tensor([each.types])}
        logits = network(input_ids=torch.tensor([each.ids]), **types).logits
        if logits.ndim == 3:
            rows.append(logits[0, -1, 7] - logits[0, -1, 9])
        else:
            rows.append(logits[0, 0] if logits.shape[1] == 1 else logits[0, 1] - logits[0, 0])
    return torch.stack(rows)


def _packed(network: Any, sequences: list[TokenSequence]) -> Tensor:
    trainee: Any
    if hasattr(network, "lm_head"):
        head = network.lm_head
        trainee = YesNoTrainee(network, network.model, None, lambda: head.weight[7] - head.weight[9])  # type: ignore[arg-type]
    else:
        trainee = PairTrainee(network, network, None, 0, network.config.num_labels, 1)
        trainee.is_packed = True
    return trainee.log_odds(sequences)


def _gradients(network: Any, log_odds: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    (log_odds * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
    return {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("kind", NETWORKS)
def test_packed_is_one_at_a_time(kind: str) -> None:
    network, sequences = _make(kind), _sequences(kind)
    network.set_attn_implementation("sdpa")
    expected = _one_at_a_time(network, sequences)
    wanted = _gradients(network, expected)
    network.set_attn_implementation(PACKED)
    found = _packed(network, sequences)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    gradients = _gradients(network, found)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        limit = 1e-5 * max(1.0, float(wanted[name].abs().max()))
        assert float((gradient - wanted[name]).abs().max()) <= limit, name


def test_positions_of_roberta_begin_behind_padding() -> None:
    assert first_position(_make("xlm_roberta").base_model) == 2
    assert [first_position(_make(kind).base_model) for kind in ("bert", "modern_bert_cls", "qwen3")] == [0, 0, 0]


def test_spans_stand_one_after_another() -> None:
    assert spans_of([3, 1, 2]) == [(0, 3), (3, 4), (4, 6)]
