import pytest

from finerank.errors import InputError
from finerank.models.text_prompts import QWEN3_QUERY, TextPrompts


def test_qwen3_s_prompt_is_the_model_card_s() -> None:
    expected = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    assert expected == QWEN3_QUERY
    prompts = TextPrompts(QWEN3_QUERY)
    assert prompts.default_instruction == "Given a web search query, retrieve relevant passages that answer the query"
    assert prompts.before("query", "find it") == "Instruct: find it\nQuery:"
    assert prompts.before("document", "find it") == prompts.before("plain") == ""


@pytest.mark.parametrize(
    ("prompt", "instructed"),
    [
        ("Instruct: a\nQuery: ", "Instruct: X\nQuery: "),
        ("<s>\nInstruct: a b\n\nc\nQuery:", "<s>\nInstruct: X\nQuery:"),
        ("Instruct: \nQuery:", "Instruct: X\nQuery:"),
        ("query: ", "query: "),
        ("", ""),
        ("Represent this sentence: ", "Represent this sentence: "),
    ],
)
def test_a_place_for_an_instruction_is_found_where_there_is_one(prompt: str, instructed: str) -> None:
    prompts = TextPrompts(prompt)
    assert prompts.before("query") == prompt
    assert prompts.before("query", "X") == instructed
    assert (prompts.default_instruction is None) is (prompt == instructed)


def test_names_of_sentence_transformers() -> None:
    assert TextPrompts.of_names({"query": "q: ", "document": "d: "}) == TextPrompts("q: ", "d: ")
    assert TextPrompts.of_names({"document": None}, "otherwise") == TextPrompts("otherwise", "")
    assert TextPrompts.of_names({"query": ""}, "otherwise") == TextPrompts("", "")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind is 'passage'; give one of query, document, plain"):
        TextPrompts().before("passage")  # type: ignore[arg-type]
