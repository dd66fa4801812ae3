import json
from pathlib import Path
from typing import Any

import pytest

from finerank.errors import DamagedError, NotAModelError, UnsupportedError
from finerank.models.checkpoint import inspect


def _folder(tmp_path: Path, **files: Any) -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name.replace("__", ".")).write_text(text)
    return tmp_path


def _classifier(**config: Any) -> dict[str, Any]:
    return {"architectures": ["BertForSequenceClassification"]} | config


def test_any_qwen3_causal_lm_is_a_yes_no_reranker(tmp_path: Path) -> None:
    folder = _folder(tmp_path, config__json={"architectures": ["Qwen3ForCausalLM"]})
    assert inspect(folder).architecture == "qwen3_yes_no"


def test_the_name_of_the_folder_decides_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen3-Embedding-0.6B"
    folder.mkdir()
    assert inspect(_folder(folder, config__json={"architectures": ["Qwen3ForCausalLM"]})).architecture == "qwen3_yes_no"


def test_pooling_makes_an_embedder(tmp_path: Path) -> None:
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    ]
    folder = _folder(tmp_path, config__json={"architectures": ["Qwen3ForCausalLM"]}, modules__json=modules)
    assert inspect(folder).architecture == "embedder"
    (folder / "modules.json").unlink()
    (folder / "1_Pooling").mkdir()
    assert inspect(folder).architecture == "embedder"


def test_modules_that_read_logits_make_a_reranker(tmp_path: Path) -> None:
    """sentence-transformers 5.4 and later save rerankers with a modules.json, too."""
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.LogitScore", "path": "1_LogitScore"}]
    folder = _folder(tmp_path, config__json={"architectures": ["Qwen3ForCausalLM"]}, modules__json=modules)
    (folder / "1_LogitScore").mkdir()
    (folder / "1_LogitScore" / "config.json").write_text('{"true_token_id": 7, "false_token_id": 8}')
    checkpoint = inspect(folder)
    assert (checkpoint.architecture, checkpoint.answer_ids) == ("qwen3_yes_no", (7, 8))


def test_modules_that_need_no_pooling_make_an_embedder(tmp_path: Path) -> None:
    modules = [{"type": "x.StaticEmbedding", "path": ""}, {"type": "x.Normalize", "path": "1_Normalize"}]
    folder = _folder(tmp_path, modules__json=modules)
    assert inspect(folder).architecture == "embedder"
    assert inspect(_folder(tmp_path, config__json={"model_type": "x"})).architecture == "embedder"


def test_modules_around_a_classifier_or_a_causal_lm_are_what_that_is(tmp_path: Path) -> None:
    alone = [{"type": "x.Transformer", "path": ""}]
    folder = _folder(tmp_path, modules__json=alone, config__json=_classifier(id2label={"0": "LABEL_0"}))
    assert inspect(folder).architecture == "classifier"
    _folder(tmp_path, modules__json=[*alone, {"type": "x.Activation", "path": "1_Activation"}])
    assert inspect(folder).architecture == "classifier"
    _folder(tmp_path, modules__json=alone, config__json={"architectures": ["BertModel"]})
    with pytest.raises(NotAModelError, match="BertModel"):
        inspect(folder)


def test_models_of_many_vectors_or_sparse_ones_are_refused(tmp_path: Path) -> None:
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.SpladePooling", "path": "1_SpladePooling"}]
    told = {"model_type": "SparseEncoder"}
    folder = _folder(tmp_path, modules__json=modules, config_sentence_transformers__json=told)
    with pytest.raises(NotAModelError, match="saved as a SparseEncoder"):
        inspect(folder)


@pytest.mark.parametrize(
    ("id2label", "expected"),
    [
        ({"0": "LABEL_0"}, (1, 0)),
        ({"0": "no", "1": "yes"}, (2, 1)),
        ({"0": "Relevant", "1": "irrelevant"}, (2, 0)),
    ],
)
def test_labels(tmp_path: Path, id2label: dict[str, str], expected: tuple[int, int]) -> None:
    checkpoint = inspect(_folder(tmp_path, config__json=_classifier(id2label=id2label)))
    assert (checkpoint.labels, checkpoint.yes_label) == expected


@pytest.mark.parametrize("id2label", [{"0": "LABEL_0", "1": "LABEL_1"}, {"0": "a", "1": "b", "2": "c"}, None])
def test_labels_that_do_not_say_which_is_yes_are_refused(tmp_path: Path, id2label: Any) -> None:
    with pytest.raises(UnsupportedError, match="id2label"):
        inspect(_folder(tmp_path, config__json=_classifier(id2label=id2label)))


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotAModelError, match=r"no config\.json \(found nothing\)"):
        inspect(tmp_path)
    with pytest.raises(NotAModelError, match="LlamaForCausalLM"):
        inspect(_folder(tmp_path, config__json={"architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(DamagedError, match="cannot be read as JSON"):
        inspect(_folder(tmp_path, config__json="{"))
    with pytest.raises(DamagedError, match="holds a list"):
        inspect(_folder(tmp_path, config__json="[]"))
