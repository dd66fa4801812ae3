import time

import pytest

from finerank.errors import InputError
from finerank.retrieval.options import Rule, SearchOptions
from finerank.retrieval.rules import LONGEST_PATTERN, RULE_SETS, apply_rules, rules_from

from .hits import hit, hits, ids

DROPPED = {
    "advertisement": [
        "Advertisement",
        "[Ad] The best phones of the year",
        "Sponsored: why your pump needs our oil",
        "New laptops | Advertisement",
        "Black Friday: up to 50% off all phones",
        "Limited-time offer on hydraulic oil",
        "【广告】新款手机上市",
        "广告：液压油",
        "限时优惠 手机配件",
    ],
    "recruitment": [
        "Careers",
        "Job openings at Acme Hydraulics",
        "We're hiring service technicians",
        "Acme is hiring in Leipzig",
        "Jobs | Acme Hydraulics",
        "2024年校园招聘简章",
        "某某公司招聘启事",
        "诚聘英才",
        "招聘：液压工程师",
    ],
    "disclaimer": [
        "Disclaimer",
        "Legal Disclaimer",
        "Disclaimer of warranties",
        "Acme Ltd - Disclaimer",
        "免责声明",
        "某某网站免责声明",
        "法律声明 | 某某公司",
    ],
}
KEPT = [
    "The effect of alcohol advertisement on young drinkers",
    "Advertising law: what a trader may claim",
    "Advertisement detection with neural networks",
    "广告法释义",
    "广告设计基础",
    "Recruitment of macrophages to the tumour site",
    "Patient recruitment in clinical trials",
    "Job scheduling in distributed systems",
    "Printing: cancel a job",
    "招聘管理制度的法律风险",
    "劳动合同与聘用合同的区别",
    "What a disclaimer in a contract is worth",
    "免责声明的法律效力",
    "Print quality: 20% off the nominal value",
    "Alarm E07",
]


@pytest.mark.parametrize(("name", "title"), [(name, title) for name, titles in DROPPED.items() for title in titles])
def test_a_set_drops_what_announces_itself(name: str, title: str) -> None:
    kept, dropped = apply_rules([hit(title=title)], rules_from([name]))
    assert kept == []
    assert dropped == {name: 1}


@pytest.mark.parametrize("title", KEPT)
def test_all_sets_keep_what_is_about_it(title: str) -> None:
    assert len(apply_rules([hit(title=title)], rules_from(list(RULE_SETS)))[0]) == 1


def test_a_short_text_is_judged_and_a_long_one_is_not() -> None:
    offer = "Buy one, get one free! Order now and save."
    manual = offer + " The display shows this screen saver after ten minutes without input." * 8
    kept, dropped = apply_rules(hits([offer, manual]), rules_from(["advertisement"]))
    assert ids(kept) == ["chunk-2"]
    assert dropped == {"advertisement": 1}


def test_a_page_of_a_manual_that_mentions_the_words_stays() -> None:
    text = "Disclaimers and jobs: to cancel a print job, open the job list. Advertisements on the display can be off."
    assert len(apply_rules([hit(text)], rules_from(list(RULE_SETS)))[0]) == 1


def test_a_section_is_known_by_its_heading() -> None:
    found = [hit("No liability.", 1, headings=("Manual", "Disclaimer")), hit("Steps", 2, headings=("Manual",))]
    assert ids(apply_rules(found, rules_from(["disclaimer"]))[0]) == ["chunk-2"]


class TestOwnRules:
    def test_fields_and_metadata(self) -> None:
        found = [
            hit(place=1, source="old/a.pdf"),
            hit(place=2, metadata={"year": 1999, "tags": ["draft", "x"]}),
            hit("TOP SECRET", place=3),
            hit(place=4),
        ]
        kept, dropped = apply_rules(found, rules_from(["source=~^old/", "year=~^19", "text=~top secret"]))
        assert ids(kept) == ["chunk-4"]
        assert dropped == {"source=~^old/": 1, "year=~^19": 1, "text=~top secret": 1}
        assert ids(apply_rules(found, rules_from(["tags=~draft"]))[0]) == ["chunk-1", "chunk-3", "chunk-4"]

    def test_the_first_rule_that_matches_counts(self) -> None:
        rules = (Rule("one", "text", "a"), Rule("two", "text", "a"))
        assert apply_rules([hit("a")], rules)[1] == {"one": 1, "two": 0}

    def test_a_pattern_may_hold_the_separator(self) -> None:
        assert rules_from(["text=~a=~b"]) == (Rule("text=~a=~b", "text", "a=~b"),)

    def test_a_name_twice_is_once(self) -> None:
        assert rules_from(["disclaimer", "Disclaimer"]) == RULE_SETS["disclaimer"]

    def test_the_sets_pass_the_options_check(self) -> None:
        SearchOptions(rules=rules_from(list(RULE_SETS))).check()

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            (
                "adverts",
                "no rules are called 'adverts'; give advertisement, recruitment, disclaimer, or field=~pattern",
            ),
            ("=~x", "lacks its field"),
            ("text=~", "lacks its pattern"),
            ("text=~(", "is no regular expression (missing ), unterminated subpattern"),
            ("text=~a{99999999999999}", "is no regular expression"),
            ("text=~(?R)", "is no regular expression"),
            ("text=~" + "a" * (LONGEST_PATTERN + 1), "has 501 characters; give 500 at most"),
            (5, "a rule is 5"),
        ],
    )
    def test_what_is_no_rule(self, entry: str, message: str) -> None:
        with pytest.raises(InputError) as caught:
            rules_from([entry])
        assert message in str(caught.value)

    def test_a_text_in_place_of_a_list(self) -> None:
        with pytest.raises(InputError, match="rules is the text 'disclaimer'; give a list"):
            rules_from("disclaimer")

    def test_too_many(self) -> None:
        with pytest.raises(InputError, match="rules has 51 entries; give 50 at most"):
            rules_from([f"text=~{number}" for number in range(51)])

    def test_a_pattern_that_runs_away_is_stopped_and_named(self) -> None:
        started = time.monotonic()
        with pytest.raises(InputError, match=r"rule 'text=~\(\?:a\|aa\)\+\$' takes longer than 1 s"):
            apply_rules([hit("a" * 80 + "b")], rules_from(["text=~(?:a|aa)+$"]))
        assert time.monotonic() - started < 5
