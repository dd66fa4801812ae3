"""`check`: what is wrong with training data, said before anything trains.

Each check is a few lines; how grave a finding is and what helps stands in findings.py. Texts that differ in nothing but
case, white space and Unicode form are the same here (folding.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from .data_report import DataReport, Lengths, Problem
from .examples import Candidate, Example
from .findings import Findings, quoted
from .folding import TextNumbers
from .pair_lengths import check_lengths
from .teacher_scores import check_teacher

__all__ = ["DataReport", "Lengths", "Problem", "check"]

CountTokens: TypeAlias = Callable[[list[str]], list[int]]
_Key: TypeAlias = tuple[int, str | None]
"""Number of a query, and its instruction."""


def check(
    examples: Sequence[Example],
    held_out: Mapping[str, Sequence[Example]] | None = None,
    *,
    has_documents: bool = False,
    needs_teacher: bool = False,
    count_tokens: CountTokens | None = None,
    room: int | None = None,
    seed: int = 0,
) -> DataReport:
    """Looks at `examples` for what would spoil training, and for what they share with the `held_out` ones.

    held_out: what is measured on, by name ("dev", "test").
    has_documents: negatives come from documents besides the examples, so that these may have none.
    needs_teacher: the loss cannot do without scores of a teacher.
    count_tokens: of texts, each alone, without special tokens.
    room: tokens for a query and a document together: max_length less the template and the instruction.
    seed: draws the pairs whose lengths are measured, where there are very many.
    """
    findings = Findings()
    report = DataReport(num_examples=len(examples))
    numbers = TextNumbers()
    for example in examples:
        _count(example, report)
        _check_texts(example, findings)
        _check_documents(example, numbers, findings)
    _check_balance(examples, report, findings, has_documents=has_documents)
    _check_repeated_queries(examples, report, numbers, findings)
    check_teacher(examples, findings, is_needed=needs_teacher)
    for name, others in (held_out or {}).items():
        report.held_out[name] = len(others)
        _check_held_out(name, others, findings)
        _check_leaks(name, others, examples, numbers, findings)
    if count_tokens is not None and room is not None:
        report.lengths = check_lengths(examples, count_tokens, room, findings, seed)
    report.num_documents = len({numbers.document(each.text) for example in examples for each in example.candidates})
    report.problems = findings.problems()
    return report


def _count(example: Example, report: DataReport) -> None:
    num_positives = len(example.positives)
    num_negatives = len(example.candidates) - num_positives
    report.num_positives += num_positives
    report.num_negatives += num_negatives
    report.num_without_positives += num_positives == 0
    report.num_without_negatives += num_negatives == 0
    report.num_graded += sum(0 < each.label < 1 for each in example.candidates)
    report.num_with_instruction += example.instruction is not None
    report.num_with_teacher += sum(each.teacher is not None for each in example.candidates)


def _check_texts(example: Example, findings: Findings) -> None:
    if not example.query.strip():
        findings.add("blank_query", example.place)
    for each in example.candidates:
        if not each.text.strip():
            findings.add("blank_positive" if each.is_positive else "blank_negative", example.place)


def _check_documents(example: Example, numbers: TextNumbers, findings: Findings) -> None:
    """The same document twice in one example, in the same class or in both."""
    seen: dict[int, bool] = {}
    for each in example.candidates:
        if not each.text.strip():
            continue
        number = numbers.document(each.text)
        if number in seen:
            is_same_class = seen[number] == each.is_positive
            code = "document_repeated" if is_same_class else "positive_among_negatives"
            findings.add(code, f"{example.place}, {quoted(each.text)}")
        seen.setdefault(number, each.is_positive)


def _check_balance(examples: Sequence[Example], report: DataReport, findings: Findings, *, has_documents: bool) -> None:
    num_documents = report.num_positives + report.num_negatives
    if not num_documents:
        findings.add("no_examples")
    elif not report.num_positives:
        findings.add("one_class", count=num_documents, detail="negatives")
    elif not report.num_negatives:
        code, detail = ("no_judged_negatives", "") if has_documents else ("one_class", "positives")
        findings.add(code, count=num_documents, detail=detail)
    else:
        _check_counts(examples, report, findings)


def _check_counts(examples: Sequence[Example], report: DataReport, findings: Findings) -> None:
    for example in examples:
        if not example.positives:
            findings.add("without_positives", example.place)
        elif not example.negatives:
            findings.add("without_negatives", example.place)
    if report.num_negatives < report.num_positives:
        findings.add("few_negatives", count=report.num_negatives, detail=f"{report.num_positives:,}")


def _check_repeated_queries(
    examples: Sequence[Example], report: DataReport, numbers: TextNumbers, findings: Findings
) -> None:
    """Examples with the same query and instruction: do they say the same?"""
    groups: dict[_Key, list[Example]] = {}
    for example in examples:
        groups.setdefault((numbers.query(example.query), example.instruction), []).append(example)
    report.num_queries = len({query for query, _ in groups})
    for group in groups.values():
        if len(group) > 1:
            _check_group(group, numbers, findings)


def _check_group(group: Sequence[Example], numbers: TextNumbers, findings: Findings) -> None:
    positives = {number: example for example in group for number in _numbers(example.positives, numbers)}
    known: dict[tuple[frozenset[int], frozenset[int]], Example] = {}
    for example in group:
        own = frozenset(_numbers(example.positives, numbers))
        for each in example.negatives:
            number = numbers.document(each.text)
            if number in positives and number not in own:
                findings.add(
                    "contradicted", f"{example.place}, {quoted(each.text)} (positive: {positives[number].place})"
                )
        documents = (own, frozenset(_numbers(example.negatives, numbers)))
        if known:
            first = known.get(documents) or group[0]
            code = "example_repeated" if documents in known else "query_repeated"
            findings.add(code, f"{example.place} (as {first.place})")
        known.setdefault(documents, example)


def _check_held_out(name: str, examples: Sequence[Example], findings: Findings) -> None:
    if not any(example.positives for example in examples):
        findings.add("held_out_empty", detail=name)


def _check_leaks(
    name: str, held_out: Sequence[Example], examples: Sequence[Example], numbers: TextNumbers, findings: Findings
) -> None:
    queries = {numbers.query(example.query): example.place for example in held_out if example.query.strip()}
    answers = {number: example.place for example in held_out for number in _numbers(example.positives, numbers)}
    for example in examples:
        query = numbers.query(example.query)
        if query in queries:
            findings.add("leaked_query", f"{example.place} (as {queries[query]})", detail=name)
        shared = next((number for number in _numbers(example.positives, numbers) if number in answers), None)
        if shared is not None:
            findings.add("leaked_document", f"{example.place} (as {answers[shared]})", detail=name)


def _numbers(candidates: Sequence[Candidate], numbers: TextNumbers) -> list[int]:
    """Of those that are not blank."""
    return [numbers.document(each.text) for each in candidates if each.text.strip()]
