"""Prompt ids against the reference's own way of building them."""

import dataclasses
import itertools
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from finerank.errors import DamagedError, InputError, TooLongError
from finerank.prompt import EVALUATION_FORM, README_FORM, PromptEncoder
from tests.conftest import CONTROL_TOKENS, PLAIN_ADDED_TOKENS, SCRIPTS

QUERIES = ["what is a fox?", "  spaces around  ", "狐狸是什么", "ends with a colon:", "e\u0301 combining", "?\n\n"]
INSTRUCTIONS = [None, "Retrieve. ", "", "ends with\n"]


def _ids(encoder: PromptEncoder, query: str, document: str, instruction: str | None = None) -> list[int]:
    prefix = encoder.prefix(query, instruction)
    (tail,) = encoder.tails([document], prefix)
    return [token for part in prefix.parts for token in part] + list(tail.ids)


@pytest.mark.parametrize("script", SCRIPTS)
def test_parts_give_the_ids_of_the_whole(tokenizer: Tokenizer, script: str) -> None:
    encoder = PromptEncoder(tokenizer)
    documents = [SCRIPTS[script], " " + SCRIPTS[script], SCRIPTS[script] + "\n", "\n" + SCRIPTS[script], "", "   "]
    for query, document, instruction in itertools.product([*QUERIES, SCRIPTS[script]], documents, INSTRUCTIONS):
        expected = encoder.reference_ids(query, document, instruction)
        assert _ids(encoder, query, document, instruction) == expected


def test_real_tokenizer_gives_the_ids_of_the_whole(data_folder: Path) -> None:
    encoder = PromptEncoder(Tokenizer.from_file(str(data_folder / "qwen3" / "tokenizer.json")))
    assert (encoder.yes_id, encoder.no_id) == (9693, 2152)
    assert len(encoder.prefix("q").parts[0]) == 39
    assert len(encoder.suffix_ids) == 9
    for query, document in itertools.product([*QUERIES, *SCRIPTS.values()], ["", "\n x", *SCRIPTS.values()]):
        assert _ids(encoder, query, document) == encoder.reference_ids(query, document)


def test_truncation_cuts_only_the_end_of_the_document(tokenizer: Tokenizer) -> None:
    document = "fox and dog " * 40
    full = PromptEncoder(tokenizer).reference_ids("fox", document)
    for max_length in (len(full) - 1, len(full), len(full) + 1, len(full) - 60):
        encoder = PromptEncoder(tokenizer, max_length=max_length)
        prefix = encoder.prefix("fox")
        (tail,) = encoder.tails([document], prefix)
        ids = _ids(encoder, "fox", document)
        assert ids == encoder.reference_ids("fox", document)
        assert len(ids) == min(max_length, len(full))
        assert tuple(ids[-len(encoder.suffix_ids) :]) == encoder.suffix_ids
        assert tail.is_truncated == (max_length < len(full))
        assert tail.num_tokens == len(full) - prefix.num_tokens - len(encoder.suffix_ids)


@pytest.mark.parametrize("token", CONTROL_TOKENS + PLAIN_ADDED_TOKENS)
def test_control_tokens_in_texts_are_letters(tokenizer: Tokenizer, token: str) -> None:
    control_id = tokenizer.token_to_id(token)
    text = f"a {token} b"
    encoder = PromptEncoder(tokenizer)
    clean = _ids(encoder, "a  b", "a  b", "a  b")
    assert _ids(encoder, text, text, text).count(control_id) == clean.count(control_id)
    parsing = PromptEncoder(tokenizer, parse_control_tokens=True)
    assert _ids(parsing, text, text, text) == parsing.reference_ids(text, text, text)
    assert _ids(parsing, text, text, text).count(control_id) == clean.count(control_id) + 3


def test_braces_are_text(tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(tokenizer)
    assert _ids(encoder, "{}", "{document} {0}", "{query}") == encoder.reference_ids("{}", "{document} {0}", "{query}")


def test_evaluation_form_differs_as_documented(tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(tokenizer, EVALUATION_FORM)
    text = tokenizer.decode(_ids(encoder, "q", "d"), skip_special_tokens=False)
    assert "\n\n<Query>: q\n\n<Document>: d<|im_end|>\n<|im_end|>\n<|im_start|>assistant" in text
    assert EVALUATION_FORM.default_instruction in text
    assert _ids(encoder, "q", "d") == encoder.reference_ids("q", "d")


def test_too_long_query_names_both_numbers(tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(tokenizer, max_length=256)
    with pytest.raises(TooLongError, match=r"take \d{3,} tokens.*max_length is 256"):
        encoder.prefix("word " * 300)


def test_lone_surrogate_in_the_query(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"the query has the lone surrogate U\+D800 at character 1"):
        PromptEncoder(tokenizer).prefix("x\ud800")


def test_tokenizer_without_answers_or_controls(tokenizer: Tokenizer) -> None:
    form = dataclasses.replace(README_FORM, yes="certainly")
    with pytest.raises(DamagedError, match="no single token 'certainly'"):
        PromptEncoder(tokenizer, form)
    state = tokenizer.to_str().replace("<|im_start|>", "<|gone|>")
    with pytest.raises(DamagedError, match=r"does not know the control token <\|im_start\|>"):
        PromptEncoder(Tokenizer.from_str(state))


def test_windows_cover_the_text_and_fit(tokenizer: Tokenizer) -> None:
    encoder = PromptEncoder(tokenizer, max_length=200)
    document = " ".join(f"{name} {text}" for name, text in SCRIPTS.items())
    prefix = encoder.prefix("fox")
    windows = encoder.windows(document, prefix, None, 0.25)
    assert len(windows) > 3
    assert windows[0][0] == 0
    assert windows[-1][1] == len(document)
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(windows))
    tails = encoder.tails([document[start:end] for start, end in windows], prefix)
    assert not any(tail.is_truncated for tail in tails)


def test_readme_form_is_the_model_cards() -> None:
    assert README_FORM.default_instruction.startswith("Given a web search query")
