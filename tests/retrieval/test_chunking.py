import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from finerank.embedder import Embedder
from finerank.errors import InputError, UnsupportedError
from finerank.retrieval.chunking import Chunker, embedding_text
from finerank.retrieval.readers import read_bytes
from finerank.retrieval.types import Section, SourceDocument
from finerank.texts import Window

from ..conftest import SCRIPTS, train_tokenizer
from .making_files import pdf_of_paragraphs


@dataclass
class _Info:
    name: str = "tiny"
    max_length: int = 512


@dataclass
class _Measured:
    """The byte-level BPE of the tests' tiny models, where tokens of a whole are not those of its parts."""

    tokenizer: Tokenizer
    info: _Info = field(default_factory=_Info)
    num_calls: int = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.num_calls += 1
        return [len(each) for each in self.tokenizer.encode_batch([*texts], add_special_tokens=False)]

    def token_offsets(self, text: str) -> list[Window]:
        return self.tokenizer.encode(text, add_special_tokens=False).offsets


MEASURE = _Measured(train_tokenizer())
WORDS = "pump valve sensor pressure oil cable relay motor filter tank switch hose seal bearing gauge".split()


def _sentences(num_sentences: int, seed: int = 0) -> str:
    words = random.Random(seed)
    return " ".join(" ".join(words.choices(WORDS, k=9)).capitalize() + "." for _ in range(num_sentences))


def _document(*sections: Section, title: str = "Press", **more: object) -> SourceDocument:
    return SourceDocument("manual.txt", "manual.txt", title, list(sections), {"year": 2024})


def _texts(chunker: Chunker, *sections: Section) -> list[str]:
    return [chunk.text for chunk in chunker.chunks(_document(*sections))]


_any_text = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from([*SCRIPTS.values(), "\n\n", "\n", " ", ". ", "。", "```\n", "x" * 500, "汉" * 300, "😀" * 50]),
        st.integers(1, 60).map(lambda count: "word " * count),
    ),
    max_size=25,
).map("".join)


@settings(max_examples=150, deadline=None, database=None)
@given(
    texts=st.lists(_any_text, min_size=1, max_size=4),
    limit=st.integers(32, 200),
    overlap=st.integers(0, 16),
    title=st.text(max_size=40),
)
def test_no_chunk_exceeds_the_limit_and_nothing_is_lost(texts: list[str], limit: int, overlap: int, title: str) -> None:
    pages = [Section(text, number, ("A", "B")[: number % 3]) for number, text in enumerate(texts, 1)]
    chunks = Chunker(MEASURE, limit, overlap).chunks(_document(*pages, title=title))
    counts = MEASURE.count_tokens([chunk.text for chunk in chunks] or [""])
    assert [chunk.num_tokens for chunk in chunks] == counts[: len(chunks)]
    assert all(count <= limit for count in counts)
    assert all(chunk.text.strip() for chunk in chunks)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    written = "".join("".join(text.split()) for text in texts)
    found = "".join("".join(chunk.text.split()) for chunk in chunks)
    if overlap == 0 and not any(page.text.rstrip().endswith("-") for page in pages):
        assert found == written
    assert set(found) == set(written) or "-" in written


@pytest.mark.parametrize("language", SCRIPTS)
def test_the_real_model_reads_every_chunk_to_its_end(embedder: Embedder, language: str) -> None:
    text = "\n\n".join(" ".join([SCRIPTS[language]] * count) for count in (1, 3, 12, 60, 2))
    chunks = Chunker(embedder).chunks(_document(Section(text, headings=("Chapter one", "Section two"))))
    seen = embedder.count_tokens([embedding_text(chunk) for chunk in chunks])
    assert max(seen) <= embedder.info.max_length - 8
    assert sum(chunk.num_tokens for chunk in chunks) >= embedder.count_tokens([text])[0] - len(chunks)


def test_defaults_fit_the_model(embedder: Embedder) -> None:
    assert Chunker(embedder).chunk_tokens == 248
    assert Chunker(_reading(32_768)).chunk_tokens == 512
    assert Chunker(_reading(0)).chunk_tokens == 512


def _reading(max_length: int) -> _Measured:
    return replace(MEASURE, info=_Info(max_length=max_length))


@pytest.mark.parametrize(
    ("tokens", "overlap", "message"),
    [
        (505, None, "chunk_tokens is 505; with tiny give 32 to 504"),
        (31, None, "is 31"),
        (100, 51, "overlap is 51; give 0 to 50"),
        (100, -1, "-1"),
    ],
)
def test_options_that_cannot_be(tokens: int, overlap: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Chunker(MEASURE, tokens, overlap)


def test_small_paragraphs_of_a_heading_share_a_chunk() -> None:
    chunker = Chunker(MEASURE, 200)
    sections = [
        Section("One.\n\nTwo.", headings=("A",)),
        Section("Three.", headings=("A",)),
        Section("Four.", headings=("B",)),
    ]
    chunks = chunker.chunks(_document(*sections))
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [(("A",), "One.\n\nTwo.\n\nThree."), (("B",), "Four.")]
    assert chunks[0].metadata == {"year": 2024}


def test_sentences_are_not_cut_and_chunks_are_alike() -> None:
    texts = _texts(Chunker(MEASURE, 200, 0), Section(_sentences(30)))
    assert len(texts) > 3
    assert all(text.endswith(".") and text[0].isupper() for text in texts)
    counts = MEASURE.count_tokens(texts)
    assert min(counts) > 0.6 * max(counts)


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    text = "See Fig. 3 and Dr. Smith, e.g. on page 7.5 of J. Doe. " * 12
    assert all(part.startswith("See Fig. 3") for part in _texts(Chunker(MEASURE, 120, 0), Section(text.strip())))


def test_a_line_that_an_editor_broke_ends_no_sentence() -> None:
    text = "The pressure of the hydraulic oil in the press\nis measured by two sensors. " * 12
    assert all(part.startswith("The pressure") for part in _texts(Chunker(MEASURE, 120, 0), Section(text.strip())))


@pytest.mark.parametrize("mark", ["。", "！", "？」"])
def test_chinese_and_japanese_sentences(mark: str) -> None:
    texts = _texts(Chunker(MEASURE, 120, 0), Section(("液压压力传感器信号故障" + mark) * 20))
    assert all(text.endswith(mark) for text in texts)


def test_scripts_without_marks_are_parted_between_characters() -> None:
    thai = SCRIPTS["Thai"] * 20
    assert "".join(_texts(Chunker(MEASURE, 100, 0), Section(thai))) == thai


def test_words_stay_whole_where_there_are_any() -> None:
    texts = _texts(Chunker(MEASURE, 64, 0), Section(" ".join(WORDS * 30)))
    assert {word for text in texts for word in text.split()} == set(WORDS)


def test_overlap_is_whole_sentences() -> None:
    texts = _texts(Chunker(MEASURE, 200, 60), Section(_sentences(30)))
    for before, after in pairwise(texts):
        shared = max((size for size in range(len(after)) if before.endswith(after[:size])), default=0)
        assert shared > 20
        assert after[:shared].endswith(".")
        assert MEASURE.count_tokens([after[:shared]])[0] <= 75


def test_no_overlap_beyond_headings_and_pages() -> None:
    sections = [Section(_sentences(3, seed), seed, ("A",)) for seed in range(1, 6)]
    assert _texts(Chunker(MEASURE, 300, 100), *sections) == [section.text for section in sections]


def test_pages() -> None:
    pages = [Section(_sentences(12, number), number) for number in range(1, 8)]
    for chunk in Chunker(MEASURE, 200, 0).chunks(_document(*pages)):
        assert chunk.page is not None
        assert chunk.page == chunk.last_page
        assert chunk.text in pages[chunk.page - 1].text


def test_a_sentence_over_a_page_s_end_stays_whole() -> None:
    pages = [Section("First. The pressure", 4), Section("sensor is lost. Next one.", 5), Section("New page.", 6)]
    chunks = Chunker(MEASURE).chunks(_document(*pages))
    assert [(chunk.text, chunk.page, chunk.last_page) for chunk in chunks] == [
        ("First. The pressure sensor is lost.", 4, 5), ("Next one.", 5, 5), ("New page.", 6, 6),
    ]  # fmt: skip
    assert chunks[0].place == "manual.txt, pages 4-5"


def test_a_block_of_code_is_parted_only_if_it_must() -> None:
    code = "```python\ndef stop():\n    pass\n\n\ndef go():\n    pass\n```"
    texts = _texts(Chunker(MEASURE, 150, 0), Section(f"{_sentences(5)}\n\n{code}\n\n{_sentences(5)}"))
    assert sum(code.replace("\n\n\n", "\n\n") in text for text in texts) == 1
    long = "```\n" + "\n\n".join(f"line_{number} = {number}" for number in range(200)) + "\n```"
    assert all(
        text.splitlines()[-1].startswith(("line_", "```")) for text in _texts(Chunker(MEASURE, 150, 0), Section(long))
    )


def test_a_text_without_any_border() -> None:
    texts = _texts(Chunker(MEASURE, 504, 0), Section("x" * 100_000))
    assert "".join(texts) == "x" * 100_000


def test_few_tokens_of_many_characters_are_bounded_too(embedder: Embedder) -> None:
    """WordPiece makes one token of any long word, also of a million characters."""
    assert embedder.count_tokens(["x" * 1_000_000]) == [1]
    assert all(len(text.encode()) < 60_000 for text in _texts(Chunker(embedder), Section("x" * 1_000_000)))


def test_calls_of_the_tokenizer_do_not_grow_with_the_text() -> None:
    measure = replace(MEASURE, num_calls=0)
    Chunker(measure).chunks(_document(*[Section(_sentences(40, number), number) for number in range(100)]))
    assert measure.num_calls < 12


def test_what_is_embedded_names_title_and_headings() -> None:
    (chunk,) = Chunker(MEASURE).chunks(_document(Section("Text.", headings=("Press", "Alarms", "E07"))))
    assert embedding_text(chunk) == "Press > Alarms > E07\nText."
    assert embedding_text(replace(chunk, title="", headings=())) == "Text."
    long = replace(chunk, headings=("h" * 150, "i" * 150))
    assert embedding_text(long) == f"Press > {'i' * 150}\nText."
    assert len(embedding_text(replace(chunk, title="é" * 300, headings=())).split("\n")[0].encode()) == 160


def test_ids_are_stable_bounded_and_differ() -> None:
    documents = [SourceDocument("d" * 900 + end, "s", "", [Section(_sentences(40))]) for end in "ab"]
    chunker = Chunker(MEASURE, 100)
    ids = [chunk.id for document in documents for chunk in chunker.chunks(document)]
    assert len(set(ids)) == len(ids)
    assert all(len(each.encode()) <= 512 for each in ids)
    assert ids == [chunk.id for document in documents for chunk in chunker.chunks(document)]
    assert chunker.chunks(_document(Section("x")))[0].id == "manual.txt#0"


def test_a_tokenizer_that_tells_no_positions() -> None:
    class Slow(_Measured):
        def token_offsets(self, text: str) -> list[Window]:
            raise UnsupportedError("no positions")

    texts = _texts(Chunker(Slow(MEASURE.tokenizer), 64, 0), Section(" ".join(WORDS * 30)))
    assert max(MEASURE.count_tokens(texts)) <= 64


def test_nothing_to_chunk() -> None:
    assert Chunker(MEASURE).chunks(_document()) == []
    assert Chunker(MEASURE).chunks(_document(Section(" \n\n "), Section(""))) == []


def test_a_real_pdf_keeps_its_pages_and_headings(embedder: Embedder) -> None:
    pages = [[("Heading1", f"{number} Part"), ("BodyText", _sentences(40, number))] for number in range(1, 6)]
    (document,) = read_bytes(pdf_of_paragraphs(pages, title="HP-200"), "manual.pdf")
    chunks = Chunker(embedder).chunks(document)
    assert {chunk.page for chunk in chunks} == {1, 2, 3, 4, 5}
    for chunk in chunks:
        assert chunk.headings == (f"{chunk.page} Part",)
        assert chunk.text in _sentences(40, chunk.page or 0)
