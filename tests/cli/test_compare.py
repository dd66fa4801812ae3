"""`finerank compare`: what a contender is, and what is said of them."""

import json
from pathlib import Path

import pytest

from finerank.cli.evaluation_contenders import read_contender, read_contenders
from finerank.cli.evaluation_table import verdict
from finerank.errors import InputError
from finerank.evaluation.types import PairedTest
from finerank.instructions import PRESETS

from .fake_model import FakeLoader
from .test_evaluate import Run, data, loader, run

__all__ = ["data", "loader", "run"]  # fixtures


def test_contenders_as_people_write_them() -> None:
    plain = read_contender("org/model")
    assert (plain.name, plain.model, plain.loading) == ("org/model", "org/model", {})
    assert read_contender("embedded").model is None
    typed = read_contender("org/model@bf16")
    assert (typed.name, typed.model, typed.loading) == ("org/model@bf16", "org/model", {"dtype": "bf16"})
    full = read_contender(
        "name=law,model=org/model@float32,instruction=Given a clause, find the statute, only one,max_length=512,"
        "price=0.05"
    )
    assert (full.name, full.model, full.price) == ("law", "org/model", 0.05)
    assert full.instruction == "Given a clause, find the statute, only one"
    assert full.loading == {"dtype": "float32", "max_length": 512}
    preset = read_contender("preset=legal, prompt-form=evaluation,deterministic=yes")
    assert (preset.model, preset.instruction) == (None, PRESETS["legal"])
    assert preset.loading == {"prompt_form": "evaluation", "deterministic": True}
    assert preset.name == "embedded [legal] [prompt_form=evaluation] [deterministic=yes]"


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "model=a@b"
    folder.mkdir()
    assert read_contender(str(folder)).model == str(folder)


def test_an_instruction_may_be_longer_than_a_files_name() -> None:
    long = "Given a clause, find the statute. " * 10
    assert read_contender(f"instruction={long}").instruction == long.strip()
    assert read_contender(f"model=a/b,instruction={long}").name == f"a/b [{long[:24]}...]"
    with pytest.raises(InputError, match="is no dtype"):
        read_contender(f"{long}@{long}")


def test_options_for_all_do_not_reach_a_model_behind_an_api(loader: FakeLoader) -> None:
    shared = {"dtype": "bf16", "device": "cpu", "max_length": 512, "self_test": "off"}
    loaders = [read_contender(each).contender(shared).reranker for each in ("tei:bge", "org/model@fp32")]
    options = []
    for load in loaders:
        assert callable(load)
        load().close()
        options.append(loader.options)
    assert options == [{"max_length": 512, "self_test": "off"}, shared | {"dtype": "fp32"}]


def test_equal_contenders_get_names_of_their_own() -> None:
    assert [each.name for each in read_contenders(["a/b", "a/b", "c/d"])] == ["a/b", "a/b #2", "c/d"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["one/model"], "1 contender was given"),
        (["a/b@int4", "c/d"], "'int4' is no dtype; known: auto, float32"),
        (["modle=a/b", "c/d"], "unknown key 'modle'; known: name, model"),
        (["model=a/b,max_length=long", "c/d"], "max_length is 'long'"),
        (["model=a/b,instruction=", "c/d"], "instruction has no value"),
        (["model=a/b,instruction=x,preset=web", "c/d"], "both given"),
        (["model=a/b,preset=lawyers", "c/d"], "unknown preset 'lawyers'"),
        (["model=a/b,deterministic=maybe", "c/d"], "give true or false"),
        (["@bf16", "c/d"], "has no model"),
        (["model=a/b,dtype=fp8", "c/d"], "dtype is 'fp8'; known: auto, float32"),
        (["model=a/b,long_documents=windows", "c/d"], "long_documents is 'windows'; known: truncate, chunk"),
        (["model=a/b,hub=foo", "c/d"], "hub is 'foo'; known: huggingface, modelscope"),
        (["model=a/b,prompt-form=mine", "c/d"], "prompt_form is 'mine'; known: readme, evaluation"),
        (["model=a/b,max_length=0", "c/d"], "max_length is 0; give a whole number of tokens from 16 to 32,768"),
        (["model=a/b,max_length=99.5", "c/d"], "max_length is '99.5'"),
        (["model=a/b,device=gpu", "c/d"], "device is 'gpu'; give auto, cpu, cuda"),
        (["model=a/b,form=evaluation", "c/d"], "unknown key 'form'; known: name, model"),
        (["model=a/b,model=c/d", "c/d"], "a key stands there twice"),
        (["siliconflow:some/model@bf16", "c/d"], "computed by its provider, where --dtype has no effect"),
    ],
)
def test_contenders_that_cannot_be_understood(written: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_contenders(written)


def test_the_verdict_is_honest() -> None:
    test = PairedTest("nDCG@10", "a", "b", -0.02, -0.03, -0.01, 0.004, 1, 9, 0)
    assert verdict(test) == "b is significantly worse than a by 0.0200 nDCG@10, p 0.0040"
    test.p_holm = 0.3
    assert verdict(test) == "no significant difference between a and b (-0.0200 nDCG@10, p 0.3000 after Holm)"


def test_models_are_compared_and_what_got_worse_is_named(
    run: Run, loader: FakeLoader, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    contenders = ["name=A,model=org/a", "name=B,model=org/b,dtype=fp32,instruction=find the manual"]
    result = run("compare", data, *contenders, "--language", "en", "--json", out, "--max-length", "128")
    assert result.exit_code == 0, result.output
    assert (loader.name, loader.options["dtype"], loader.options["max_length"]) == ("org/b", "fp32", 128)
    assert "no significant difference between A and B" in result.stdout
    assert "B over A" in result.stdout
    record = json.loads(out.read_text())
    assert [stage["name"] for stage in record["stages"]] == ["bm25", "A", "B", "oracle"]
    assert record["stages"][2]["instruction"] == "find the manual"
    assert record["worse_than"] == "A"
    assert list(record["worse"]) == ["B"]
    assert all("p_holm" in test for test in record["tests"])


def test_a_contender_cannot_be_called_as_the_first_stage(run: Run, loader: FakeLoader, data: Path) -> None:
    refused = run("compare", data, "name=bm25,model=a/a", "b/b")
    assert (refused.exit_code, "two stages are called 'bm25'" in refused.stderr) == (2, True)
    assert not hasattr(loader, "model")


def test_names_with_brackets_are_shown_as_they_are(run: Run, loader: FakeLoader, data: Path) -> None:
    shown = run("compare", data, "name=a [bfloat16],model=a/a", "name=b [/x],model=b/b", "--language", "en")
    assert shown.exit_code == 0, shown.output
    assert "a [bfloat16]" in shown.stdout
    assert "b [/x]" in shown.stdout


def test_the_run_of_a_contender(run: Run, loader: FakeLoader, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "second.run"
    run("compare", data, "a/a", "b/b", "--language", "en", "--run", file, "--run-of", "2")
    assert file.read_text().split("\n")[0].endswith("b/b")
    result = run("compare", data, "a/a", "b/b", "--language", "en", "--run-of", "3")
    assert result.exit_code == 2
    assert "there are 2 contenders" in result.stderr
