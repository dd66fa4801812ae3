import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.readers import read_bytes

from .reading import document_of, text_of

PAGE = """<?xml version="1.0"?><!DOCTYPE html><html><head><title>Alarms &amp; faults</title>
<style>p{}</style></head><body>
<nav>Home | Contact</nav><header>ACME <b>E07</b></header>
<article><header><h1>Alarm <i>list</i></h1></header>
<p>Read <a href="x">this</a><br>first.</p><!-- secret --><p hidden>never</p>
<p style="color:red; display: none">never</p>
<h2>Codes</h2>
<table><thead><tr><th>Code<th>Meaning</tr></thead><tr><td>E07</td><td><p>pressure</p> sensor</td></tr></table>
<ul><li>check<li>replace<ol><li>first</ol></ul>
<h3>Program</h3><pre>def stop():
    return True</pre><h2>No text below</h2><h2>End</h2>last</article>
<aside>advertisement</aside><footer>(c) ACME</footer><script>var x = "E07"</script></body></html>"""


def test_structure() -> None:
    document = document_of(PAGE, "a.html")
    assert document.title == "Alarms & faults"
    assert [(section.headings, section.text) for section in document.sections] == [
        (("Alarm list",), "Read this first."),
        (("Alarm list", "Codes"), "Code | Meaning\nE07 | pressure sensor\n\n- check\n- replace\n  - first"),
        (("Alarm list", "Codes", "Program"), "def stop():\n    return True"),
        (("Alarm list",), "No text below"),
        (("Alarm list", "End"), "last"),
    ]


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("gbk", '<meta charset="gb2312">'),
        ("big5", '<meta http-equiv="Content-Type" content="text/html; charset=big5">'),
        ("utf-8", '<meta charset="nonsense">'),
        ("utf-8", ""),
        ("utf-16", '<meta charset="utf-8">'),
        ("utf-8-sig", ""),
    ],
)
def test_encodings(encoding: str, head: str) -> None:
    assert text_of(
        document_of(f"<html>{head}<p>液壓 hydraulic 中文</p></html>".encode(encoding, "replace"), "a.html")
    ).endswith("hydraulic 中文")


def test_latin_1_is_read_as_browsers_do() -> None:
    page = '<meta charset="iso-8859-1"><p>„Öl“ – 5 €</p>'.encode("cp1252")
    assert text_of(document_of(page, "a.html")) == "„Öl“ – 5 €"


@pytest.mark.parametrize("tag", ["div", "ul><li", "b", "table><tr><td", "blockquote"])
def test_deep_nesting(tag: str) -> None:
    opening, closing = f"<{tag}>", "".join(f"</{name}>" for name in reversed(tag.split("><")))
    assert text_of(document_of(opening * 3000 + "deep down" + closing * 3000, "a.html")).strip(" -") == "deep down"


def test_broken_markup_and_plain_text() -> None:
    assert text_of(document_of("<p>one<p>two</div></b> <table><td>x", "a.html")) == "one\n\ntwo\n\nx"
    assert text_of(document_of("no tags at all", "a.html")) == "no tags at all"


def test_text_in_the_header_alone_is_kept() -> None:
    assert text_of(document_of("<header><h1>A</h1><p>all there is</p></header>", "a.html")) == "all there is"


def test_a_page_that_a_program_writes() -> None:
    with pytest.raises(UnreadableError, match=r"a\.html holds no text; .*save it from a browser"):
        list(read_bytes(b"<html><body><div id=root></div><script>render()</script></body></html>", "a.html"))


def test_a_very_large_page_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"33 MB of HTML; at most 32"):
        list(read_bytes(b"<p>" + b"x" * (33 * 2**20), "a.html"))
