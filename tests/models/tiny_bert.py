"""Tiny random BERTs as transformers, sentence-transformers and peft save them."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
)

WORDS = "fox dog cat planet red alarm pressure sensor the a is of jumps over what when law code".split()
QUERY = "what is the red planet"


def documents(count: int, longest: int) -> list[str]:
    """Random texts; the first is empty."""
    chosen = random.Random(1)
    return ["", *(" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count))]


def save_tokenizer(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)


def bert_config(**changes: Any) -> BertConfig:
    sizes = {"vocab_size": 32, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 48, "max_position_embeddings": 64}
    return BertConfig(**(sizes | {"initializer_range": 0.3} | changes))


def save_classifier(folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    torch.manual_seed(seed)
    save_tokenizer(folder)
    network = BertForSequenceClassification(bert_config(**changes))
    for name, parameter in network.named_parameters():
        if name.endswith("LayerNorm.weight"):  # ones and zeros would hide one that is left out
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
        elif name.endswith("bias"):
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    network.save_pretrained(folder)
    return folder


def save_embedder(folder: Path, *, prompts: dict[str, str] | None = None, **changes: Any) -> Path:
    """The folder inside `folder` that sentence-transformers saved."""
    torch.manual_seed(0)
    save_tokenizer(folder)
    BertModel(bert_config(**changes)).save_pretrained(folder)
    SentenceTransformer(str(folder), device="cpu", prompts=prompts).save(str(folder / "st"))
    return folder / "st"


def save_adapter(base: Path, folder: Path, *, base_name: str | None = None, **changes: Any) -> Path:
    """A random LoRA as `finerank train` lays it out: on all linear layers, pooler and classifier whole."""
    torch.manual_seed(5)
    network = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    for name in ("classifier", "bert.pooler.dense"):  # as training would have moved them
        torch.nn.init.normal_(network.get_submodule(name).weight, std=0.3)
        torch.nn.init.normal_(network.get_submodule(name).bias, std=0.3)
    recipe = {
        "r": 3,
        "lora_alpha": 7,
        "target_modules": r".*\.layers?\.\d+\..*(query|key|value|dense)",
        "modules_to_save": ["classifier", "pooler"],
        "task_type": "SEQ_CLS",
        "init_lora_weights": False,
    }
    get_peft_model(network, LoraConfig(**(recipe | changes))).save_pretrained(folder)
    if base_name is not None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": base_name}))
    return folder


@torch.no_grad()
def logits_of(network: Any, base: Path, texts: list[str], query: str = QUERY) -> torch.Tensor:
    """(B, labels) of transformers, one pair at a time."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [
        network(**tokenizer([query], [text], truncation="only_second", max_length=64, return_tensors="pt")).logits[0]
        for text in texts
    ]
    return torch.stack(rows).float()


def adapted_logits(base: Path, adapter: Path, texts: list[str]) -> torch.Tensor:
    """(B,) of transformers with PEFT's layers beside its own, nothing merged."""
    network = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    return logits_of(PeftModel.from_pretrained(network, str(adapter)).eval(), base, texts)[:, 0]
