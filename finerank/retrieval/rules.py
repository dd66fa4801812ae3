"""Rules: candidates that are dropped before the reranker reads them.

A pattern may come from a stranger over HTTP, so it runs under a limit of time: the `regex` module (which transformers
brings) can be interrupted, the standard library's cannot. RE2 could not run away at all, but it has no look-ahead,
which the named sets need to spare long texts that merely mention a word. A pattern must be one of the standard
library's: recursion, named lists and other extras of `regex` are refused.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ..errors import InputError
from .options import Rule
from .types import Chunk, Hit

# ruff: noqa: RUF001  (full-width marks)

LONGEST_PATTERN: Final = 500
"""Characters."""
MOST_RULES: Final = 50
_SEPARATOR: Final = "=~"
_ALONE_S: Final = 0.02
"""How long a pattern may keep all other threads of the process waiting."""
_BUDGET_S: Final = 1.0
"""For all rules over all candidates of one search; ordinary patterns need milliseconds."""

# Patterns match what announces such a page, not what is about it: "Advertisement law" and "Patient recruitment in
# trials" stay. A mark is a word between brackets, or before a colon, a dash or a bar, or a title of its own.
_MARK_END: Final = r"\s*(?:[\]\)】）」』>|:：·—–]|\s-\s|$)"
_SHORT: Final = r"(?s)\A(?=.{0,400}\Z)"
"""Texts of up to 400 characters; what stands in a longer one is rarely all that it says."""


def _tag(words: str) -> str:
    """A title or heading that begins or ends with one of `words` as a mark."""
    opened = r"[\[\(【（「『<]\s*"
    return rf"(?m)(?:^\W*|{opened})(?:{words}){_MARK_END}|(?:[|·—–]|\s-)\s*(?:{words})\W*$"


_ADVERTISEMENT: Final = (
    r"ads?|advertis(?:ement|ing)s?|advertorials?|sponsored(?: (?:content|post|article|link|result)s?)?|promoted"
    r"|paid (?:content|post|partnership|promotion)|广告|廣告|推广|推廣|赞助内容|商业推广|软文"
)
_OFFER: Final = (
    r"\b(?:buy (?:one|1),? get (?:one|1)|limited[- ]time offer|special offer|order now|buy now|shop now"
    r"|(?:up to )?\d{1,2} ?% off\b(?! the)|black friday|clearance sale|use (?:promo|coupon|discount) code)"
    r"|限时(?:优惠|特价|抢购|折扣)|限時(?:優惠|特價)|清仓(?:特价|甩卖|大促)|买一送一|買一送一|立即(?:购买|抢购|下单)|全场[一二三四五六七八九\d.]+折"
)
_RECRUITMENT: Final = (
    r"recruitment|recruiting|careers?|jobs?|job (?:openings?|vacanc(?:y|ies)|postings?|offers?|ads?|advertisements?)"
    r"|vacanc(?:y|ies)|open positions?|招聘|招募|诚聘|誠聘|招聘信息|招聘启事|人才招聘|招贤纳士"
)
_HIRING: Final = (
    r"\b(?:we(?:'|\u2019| a)re (?:now )?(?:hiring|recruiting)|(?:is|are|now|urgently) hiring|join our (?:\w+ )?team"
    r"|job (?:openings?|vacanc(?:y|ies))|apply now|send (?:us )?your (?:cv|r[eé]sum[eé])|walk[- ]in interview)\b"
)
_HIRING_ZH: Final = (
    r"招聘(?:启事|啟事|公告|简章|信息|岗位|职位|广告)|(?:诚|誠|急|高薪)招?聘(?!用合同)|(?:校园|社会|春季|秋季)招聘|招贤纳士|虚位以待"
    r"|(?:简历|履歷)(?:请)?(?:投递|发送|发)至"
)
_DISCLAIMER: Final = (
    r"(?:legal |general |medical |liability |financial |risk )?(?:disclaimers?|notice and disclaimer)"
    r"(?: of (?:warrant(?:y|ies)|liabilit(?:y|ies)))?"
    r"|免责声明|免責聲明|法律声明|法律聲明|版权声明"
)

RULE_SETS: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {
        "advertisement": (
            Rule("advertisement", "title", _tag(_ADVERTISEMENT)),
            Rule("advertisement", "title", _OFFER),
            Rule("advertisement", "headings", _tag(_ADVERTISEMENT)),
            Rule("advertisement", "text", rf"{_SHORT}(?:\W*(?:{_ADVERTISEMENT}){_MARK_END}|.*?(?:{_OFFER}))"),
        ),
        "recruitment": (
            Rule("recruitment", "title", _tag(_RECRUITMENT)),
            Rule("recruitment", "title", f"{_HIRING}|{_HIRING_ZH}"),
            Rule("recruitment", "headings", _tag(_RECRUITMENT)),
            Rule("recruitment", "text", rf"{_SHORT}.*?(?:{_HIRING}|{_HIRING_ZH})"),
        ),
        "disclaimer": (
            Rule("disclaimer", "title", rf"{_tag(_DISCLAIMER)}|免[责責][声聲]明\W*$"),
            Rule("disclaimer", "headings", _tag(_DISCLAIMER)),
            Rule("disclaimer", "text", rf"{_SHORT}\W*(?:{_DISCLAIMER}){_MARK_END}"),
        ),
    }
)
"""Rules by name, in English and Chinese. Titles and headings are judged by how they announce a page, texts only if they
are short; so a page that mentions such a word in passing stays."""


def rules_from(names_or_patterns: Sequence[str]) -> tuple[Rule, ...]:
    """Rules as command lines and HTTP name them: a set of RULE_SETS, or `field=~pattern`.

    Raises InputError that names the entry, and what it may be.
    """
    if isinstance(names_or_patterns, str):
        raise InputError(f"rules is the text {names_or_patterns[:40]!r}; give a list such as ['advertisement']")
    rules = [rule for each in names_or_patterns for rule in _rules_of(each)]
    own = len(names_or_patterns)
    if own > MOST_RULES:
        raise InputError(f"rules has {own:,} entries; give {MOST_RULES} at most, or join patterns with |")
    return tuple(dict.fromkeys(rules))


def apply_rules(hits: Iterable[Hit], rules: Sequence[Rule]) -> tuple[list[Hit], dict[str, int]]:
    """(those that no rule drops, in their order; rule name -> how many it dropped, the first that matches counts).

    Raises InputError if a pattern cannot be used, or takes more than a second on these candidates.
    """
    matchers = [_Matcher(rule) for rule in rules]
    clock = _Clock(_BUDGET_S)
    kept, dropped = [], dict.fromkeys((rule.name for rule in rules), 0)
    for hit in hits:
        name = next((each.rule.name for each in matchers if each.matches(hit.chunk, clock)), None)
        if name is None:
            kept.append(hit)
        else:
            dropped[name] += 1
    return kept, dropped


def _rules_of(entry: object) -> tuple[Rule, ...]:
    if not isinstance(entry, str):
        raise InputError(f"a rule is {entry!r}; give a text: {_what_rules_are()}")
    if _SEPARATOR not in entry:
        rules = RULE_SETS.get(entry.strip().lower())
        if rules is None:
            raise InputError(f"no rules are called {entry[:60]!r}; give {_what_rules_are()}")
        return rules
    field, _, pattern = (part.strip() for part in entry.partition(_SEPARATOR))
    if not field or not pattern:
        raise InputError(f"rule {entry[:60]!r} lacks its {'pattern' if field else 'field'}; give {_what_rules_are()}")
    rule = Rule(f"{field}{_SEPARATOR}{pattern}", field, pattern)
    compiled_rule(rule)
    return (rule,)


def _what_rules_are() -> str:
    return f"{', '.join(RULE_SETS)}, or field=~pattern such as title=~^draft"


class _Clock:
    """Seconds that are left for all patterns together."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(1e-6, self._end - time.monotonic())


class _Matcher:
    """One rule, compiled."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._pattern = compiled_rule(rule)

    def matches(self, chunk: Chunk, clock: _Clock) -> bool:
        text = _field_of(chunk, self.rule.field)
        if not text:
            return False
        try:
            return self._pattern.search(text, timeout=min(_ALONE_S, clock.left)) is not None
        except TimeoutError:
            return self._matches_beside_others(text, clock)

    def _matches_beside_others(self, text: str, clock: _Clock) -> bool:
        """Lets go of the interpreter meanwhile; that costs too much to do it always."""
        try:
            return self._pattern.search(text, timeout=clock.left, concurrent=True) is not None
        except TimeoutError:
            raise InputError(
                f"rule {self.rule.name[:80]!r} takes longer than {_BUDGET_S:g} s; give a simpler pattern, without "
                "repetitions inside repetitions"
            ) from None


def compiled_rule(rule: Rule) -> Any:
    """Its pattern, as `regex` has it. Raises InputError if that is too long or none."""
    import regex  # of the extra `models`

    if len(rule.pattern) > LONGEST_PATTERN and rule not in _OWN_RULES:
        raise InputError(
            f"the pattern of rule {rule.name[:40]!r}... has {len(rule.pattern):,} characters; give {LONGEST_PATTERN} "
            "at most"
        )
    try:
        re.compile(rule.pattern)
        return regex.compile(rule.pattern, regex.IGNORECASE | regex.VERSION0)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise InputError(
            f"rule {rule.name!r}: {rule.pattern!r} is no regular expression ({reason}); write special characters as "
            "\\. and so on"
        ) from None


def _field_of(chunk: Chunk, field: str) -> str:
    """Empty if the chunk has none."""
    if field == "text":
        return chunk.text
    if field == "title":
        return chunk.title
    if field == "source":
        return chunk.source
    if field == "headings":
        return "\n".join(chunk.headings)
    value = chunk.metadata.get(field)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_OWN_RULES: Final = frozenset(rule for rules in RULE_SETS.values() for rule in rules)
