"""What training computes against transformers' full logits, and what is trained against what ranks."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from finerank import Reranker
from finerank.errors import SettingsError, TooLongError, TrainingError, UnsupportedError
from finerank.models.source import LoadOptions
from finerank.training.loading import LoadedTrainee, Lora, load_trainee
from finerank.training.losses import likelihood
from finerank.training.trainee import PairTrainee, TokenSequence, YesNoTrainee

from ..conftest import MakeQwen3
from ..models.tiny_bert import QUERY, documents, logits_of, save_classifier, save_embedder

FP32 = LoadOptions(device="cpu", dtype="float32")
TEXTS = ["Mars is red.", "", "a much longer document about planets and their colours, of many words", "x"]
LABELS = torch.tensor([1.0, 0.0, 0.5, 0.0])


def _load(name: Path, lora: Lora | None = None, options: LoadOptions = FP32, **more: Any) -> LoadedTrainee:
    loaded = load_trainee(str(name), options, lora, **more)
    torch.manual_seed(3)
    for part, parameter in loaded.trainee.network.named_parameters():
        if "lora_B" in part:  # begins at 0, where LoRA says nothing and A has no gradient
            torch.nn.init.normal_(parameter, std=0.05)
    return loaded


def _gradients(trainee: Any, loss: Tensor) -> dict[str, Tensor]:
    trainee.network.zero_grad()
    loss.backward()
    return {name: each.grad.clone() for name, each in trainee.network.named_parameters() if each.grad is not None}


def _padded_logits(network: Any, sequences: list[TokenSequence]) -> Tensor:
    """(B, V) of the last tokens, as the model card computes them: padding on the left, an attention mask."""
    longest = max(len(each.ids) for each in sequences)
    ids = torch.tensor([[0] * (longest - len(each.ids)) + list(each.ids) for each in sequences])
    mask = torch.tensor([[0] * (longest - len(each.ids)) + [1] * len(each.ids) for each in sequences])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits: Tensor = network(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1]
    return logits


def test_yes_no_loss_is_that_of_full_logits(tiny_qwen3: Path) -> None:
    """The two-way log-softmax of "no" and "yes" over transformers' logits, and its gradients by LoRA's weights."""
    trainee = _load(tiny_qwen3, Lora(4, 8)).trainee
    assert isinstance(trainee, YesNoTrainee)
    sequences = trainee.encode("which planet is red?", TEXTS, None)
    loss = likelihood(trainee.log_odds(sequences), LABELS)
    found = _gradients(trainee, loss)
    trainee.network.get_base_model().set_attn_implementation("sdpa")  # type: ignore[operator]
    answers = [trainee._encoder.no_id, trainee._encoder.yes_id]
    log_p = F.log_softmax(_padded_logits(trainee.network, sequences)[:, answers].float(), dim=1)
    expected = -((1 - LABELS) * log_p[:, 0] + LABELS * log_p[:, 1]).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    wanted = _gradients(trainee, expected)
    assert found.keys() == wanted.keys()
    assert all("lora_" in name for name in found)
    for name, gradient in found.items():
        assert float((gradient - wanted[name]).abs().max()) <= 1e-5 * max(1.0, float(wanted[name].abs().max())), name


@pytest.mark.parametrize("classifier", [False, True])
def test_what_is_trained_is_what_ranks(make_qwen3: MakeQwen3, classifier: bool) -> None:
    """Before the first step log-odds are the reranker's, from the same prompt, cut at the same length."""
    folder = make_qwen3(classifier=classifier, num_labels=1) if classifier else make_qwen3()
    options = LoadOptions(device="cpu", dtype="float32", max_length=330)
    trainee = load_trainee(str(folder), options, Lora(4, 8)).trainee
    texts = [*TEXTS, "very long " * 300]
    found = trainee.log_odds(trainee.encode("which planet?", texts, "Find it")).tolist()
    with Reranker(str(folder), device="cpu", dtype="float32", max_length=330, self_test="off") as reranker:
        ranking = reranker.rank("which planet?", texts, instruction="Find it")
    expected = [each.log_odds for each in sorted(ranking, key=lambda each: each.index)]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("classifier", [False, True])
def test_a_saved_adapter_says_the_same_through_peft(make_qwen3: MakeQwen3, tmp_path: Path, classifier: bool) -> None:
    folder = make_qwen3(classifier=classifier, num_labels=1) if classifier else make_qwen3()
    trainee: Any = _load(folder, Lora(4, 8)).trainee
    sequences = trainee.encode("which planet is red?", TEXTS, None)
    found = trainee.log_odds(sequences).tolist()
    trainee.network.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(folder)
    kind = AutoModelForSequenceClassification if classifier else AutoModelForCausalLM
    base = kind.from_pretrained(folder, dtype=torch.float32)
    network = PeftModel.from_pretrained(base, str(tmp_path)).eval()
    expected = []
    for each in sequences:
        logits = network(input_ids=torch.tensor([each.ids])).logits[0]
        odds = logits[0] if classifier else logits[-1, trainee._encoder.yes_id] - logits[-1, trainee._encoder.no_id]
        expected.append(odds.item())
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("num_labels", [1, 2])
def test_a_classic_cross_encoder_is_trained_packed(tmp_path: Path, num_labels: int) -> None:
    labels = {"id2label": {0: "no", 1: "yes"}} if num_labels == 2 else {}
    folder = save_classifier(tmp_path / "m", num_labels=num_labels, **labels)
    trainee = load_trainee(str(folder), FP32, Lora(4, 8)).trainee
    assert isinstance(trainee, PairTrainee)
    assert trainee.is_packed
    texts = documents(5, 90)  # some longer than what fits
    found = trainee.log_odds(trainee.encode(QUERY, texts, None))
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    logits = logits_of(network, folder, texts)
    expected = logits[:, 0] if num_labels == 1 else logits[:, 1] - logits[:, 0]
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_network_that_cannot_be_packed_is_padded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_classifier(tmp_path / "m", num_labels=1)
    packed = load_trainee(str(folder), FP32, None).trainee
    sequences = packed.encode(QUERY, documents(4, 20), None)

    def refuse(*_: Any) -> None:
        raise ValueError("this network knows no attention by name")

    monkeypatch.setattr(PairTrainee, "_packed", refuse)
    padded = load_trainee(str(folder), FP32, None).trainee
    assert isinstance(padded, PairTrainee)
    assert not padded.is_packed
    found = padded.log_odds(sequences).tolist()
    monkeypatch.undo()
    assert found == pytest.approx(packed.log_odds(sequences).tolist(), abs=1e-5)


def test_an_embedder_gets_a_head_by_the_seed(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path)
    loads = [load_trainee(str(folder), FP32, Lora(4, 8), seed=seed) for seed in (1, 1, 2)]
    assert all(loaded.has_new_head for loaded in loads)
    first, again, other = (loaded.trainee for loaded in loads)
    state, same, differs = (
        {name: each for name, each in trainee.network.named_parameters() if each.requires_grad}
        for trainee in (first, again, other)
    )
    assert all(torch.equal(state[name], same[name]) for name in state)
    assert not all(torch.equal(state[name], differs[name]) for name in state)
    learns = {name.split(".default")[0].rpartition(".")[2] for name in state}
    assert learns == {"lora_A", "lora_B", "modules_to_save"}
    assert any("pooler" in name for name in state)
    assert any("classifier" in name for name in state)


@pytest.mark.parametrize("classic", [False, True])
def test_gradient_checkpointing_gives_the_same_gradients(make_qwen3: MakeQwen3, tmp_path: Path, classic: bool) -> None:
    folder = save_classifier(tmp_path / "m", num_labels=1) if classic else make_qwen3()
    found, saved = [], []
    for is_on in (False, True):
        trainee = _load(folder, Lora(4, 8, dropout=0.1), gradient_checkpointing=is_on).trainee
        torch.manual_seed(4)
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: (kept.append(t.numel()), t)[1], lambda t: t):  # type: ignore[misc]
            loss = trainee.log_odds(trainee.encode("which planet", TEXTS, None)).sum()
        found.append(_gradients(trainee, loss))
        saved.append(sum(kept))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        assert float((gradient - found[1][name]).abs().max()) <= 1e-6 * max(1.0, float(gradient.abs().max())), name
    assert saved[1] < saved[0] / 3


def test_lora_learns_in_float32_over_bfloat16(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    """The adapter's products are made in bfloat16: against the same network in float32."""
    for folder in (make_qwen3(), save_classifier(tmp_path / "m", num_labels=1)):
        half = _load(folder, Lora(4, 8), LoadOptions(device="cpu", dtype="bfloat16")).trainee
        full = _load(folder, Lora(4, 8)).trainee
        dtypes = {each.requires_grad: each.dtype for each in half.network.parameters()}
        assert dtypes == {True: torch.float32, False: torch.bfloat16}
        sequences = half.encode("red planet", ["fox", "the dog jumps over the cat"], None)
        log_odds, expected = half.log_odds(sequences), full.log_odds(sequences)
        assert log_odds.dtype == torch.float32
        assert log_odds.tolist() == pytest.approx(expected.tolist(), abs=0.05 * max(1.0, *map(abs, expected.tolist())))
        gradients, wanted = _gradients(half, log_odds.sum()), _gradients(full, expected.sum())
        assert {each.dtype for each in gradients.values()} == {torch.float32}
        mine, theirs = (torch.cat([each.flatten() for each in of.values()]) for of in (gradients, wanted))
        assert float(F.cosine_similarity(mine, theirs, dim=0)) > 0.97


def test_lora_targets(tiny_qwen3: Path) -> None:
    network = load_trainee(str(tiny_qwen3), FP32, Lora(4, 8, targets=("q_proj", "v_proj"))).trainee.network
    adapted = {name.split(".")[-4] for name, each in network.named_parameters() if each.requires_grad}
    assert adapted == {"q_proj", "v_proj"}
    every = load_trainee(str(tiny_qwen3), FP32, Lora(4, 8)).trainee.network
    assert sum("lora_A" in name for name, _ in every.named_parameters()) == 7 * 3
    with pytest.raises(UnsupportedError, match=r"there is no linear layer 'query'.*q_proj"):
        load_trainee(str(tiny_qwen3), FP32, Lora(4, 8, targets=("query",)))


def test_loading_leaves_the_random_numbers_alone(tiny_qwen3: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load_trainee(str(tiny_qwen3), FP32, Lora(4, 8), seed=7)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_trained_is_refused(tiny_qwen3: Path, tmp_path: Path) -> None:
    trainee: Any = load_trainee(str(tiny_qwen3), FP32, Lora(4, 8)).trainee
    trainee.network.save_pretrained(tmp_path / "adapter")
    with pytest.raises(TrainingError, match="is an adapter; merge it"):
        load_trainee(str(tmp_path / "adapter"), FP32, Lora(4, 8))
    with pytest.raises(SettingsError, match="trained in float32, dtype is bfloat16"):
        load_trainee(str(tiny_qwen3), LoadOptions(device="cpu", dtype="bfloat16"), None)
    classic = load_trainee(str(save_classifier(tmp_path / "m", num_labels=1)), FP32, None).trainee
    with pytest.raises(TooLongError, match="the query takes"):
        classic.encode("red " * 80, ["x"], None)
