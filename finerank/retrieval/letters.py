"""Which letters belong to which script, as the inside of a regular expression's brackets: f"[{HAN}{KANA}]"."""

from typing import Final

HAN: Final = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, also those of Japanese, with the signs that repeat one and the zero that is written as one."""
KANA: Final = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
HANGUL: Final = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
CLUSTERS: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u17d7-\u17dd"
)
"""Letters and signs of Thai, Lao, Burmese and Khmer."""
WIDE: Final = HAN + KANA
"""Chinese and Japanese: no spaces between words, and none where a line was broken."""
WIDE_SIGNS: Final = "\u3000-\u303f\u30fb\uff00-\uffef"
"""Their punctuation, and Latin letters and digits as wide as theirs."""
SPACELESS: Final = WIDE + CLUSTERS
"""All scripts that put no spaces between words; Hangul has them."""
