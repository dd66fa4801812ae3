# ruff: noqa: RUF001  (words of many scripts)
"""What is known of languages: which Snowball stemmer serves them, and their function words."""

from typing import Final

STEMMERS: Final[dict[str, str]] = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""ISO 639 code -> Snowball's name."""

SCRIPTS: Final = (
    ("\u0370", "\u03ff", ("el",)),
    ("\u0400", "\u052f", ("ru", "sr")),
    ("\u0530", "\u058f", ("hy",)),
    ("\u0590", "\u05ff", ("yi",)),
    ("\u0600", "\u06ff", ("ar", "fa")),
    ("\u0900", "\u097f", ("hi", "ne")),
    ("\u0b80", "\u0bff", ("ta",)),
)
"""First and last letter of a script that is not Latin, and the languages in it with a stemmer; the first is its own."""

OTHERS: Final = frozenset(
    "af am an as az be bg bn br bs cy dz fo gl gu he hr ht is ja jv ka kk km kn ko ku ky la lb lo lv mg mk ml mn mr ms "
    "mt my oc or pa ps qu rw se si sk sl sq sw te th tl ug uk ur uz vi vo wa xh zh zu".split()
)
"""Languages without a stemmer that an analyzer may be for; with STEMMERS, those that py3langid tells apart."""

NOT_LATIN: Final = frozenset(
    "am ar as be bg bn dz el fa gu he hi hy ja ka kk km kn ko ky lo mk ml mn mr ne or pa ps ru si ta te th ug uk ur yi "
    "zh".split()
)
"""Languages of other scripts. Latin words in their texts are taken for English ones."""

_FUNCTION_WORDS: Final[dict[str, str]] = {
    "en": """a an and are as at be been but by can did do does for from had has have how i if in into is it its me
        my no not of on or our s so t that the their them then there these they this those to was we were what
        when where which who whom whose why will with would you your""",
    "de": """aber als am an auch auf aus bei bin bis bist da das dass dem den der des die dies diese dieser dieses
        durch ein eine einem einen einer eines er es für haben hat hatte ich ihr ihre im in ist ja kann man mit
        nach nicht noch nur oder sein seine sich sie sind so und uns unter vom von vor war waren warum was welche
        welchem welchen welcher welches wenn wer werden wie wir wird wo wurde wurden zu zum zur über""",
    "fr": """a au aux avec c ce ces cette d dans de des du elle elles en est et eu il ils j je l la le les leur
        leurs lui m mais me n ne nous on ont ou où par pas pour qu que quel quelle quelles quels qui s sa se ses
        si son sont sur t te tu un une vous y à été être comment pourquoi quand""",
    "es": """a al como con cuál cuáles cuándo cuánto cuántos de del donde dónde e el ella ellas ellos en entre era
        eran es esta este esto están está fue fueron ha han hay la las le les lo los más me mi no nos o para pero
        por porque qué que quien quién quiénes se ser si sin sobre son su sus también un una uno unos unas y ya
        cómo""",
    "it": """a ad al alla alle allo agli ai anche che chi ci come con cosa cui da dal dalla dalle degli dei del
        della delle dello di dove e ed era gli ha hanno i il in io l la le lo ma mi ne nei nel nella nelle non o
        per perché più quale quali quando quanto questa questo se si sono su sua suo sul sulla tra un una uno è""",
    "pt": """a ao aos as com como da das de do dos e ela elas ele eles em entre era essa esse esta este eu foi
        foram há isso isto já la lhe mais mas me na nas no nos não nem o onde os ou para pela pelas pelo pelos por
        porque qual quais quando que quem se sem ser seu seus sua suas são também um uma você à às é""",
    "nl": """aan al als bij dat de den der deze die dit door een en er het hij hoe hun ik in is je kan maar me met
        naar niet nog of om onder ook op over te tot uit van voor waar waarom was wat welke werd wie wij worden
        wordt ze zich zij zijn zo""",
    "ru": """а без бы был была были было быть в вас во вот все вы где да для до его ее если есть ещё еще же за и
        из или им их к как какая какие какой каком когда кто ли мы на над не него нее нет ни но о об он она они
        оно от по под при с со так также то того тоже только том ты у уже что чтобы чем это этот я""",
    "ro": """a ai al ale am ar are as au că care ce cea cei cel cele cine cu cum când cât câte câți de din după ea
        ei el este eu fi fie fost în îi își la le lor lui mai nu o pe pentru prin sa să sale sau se si și sunt un
        una unde unei unui va""",
    "el": """αλλά αν από αυτή αυτό αυτός για δεν είναι εκεί ένα ένας εμείς επί ή η ήταν θα και κατά με μετά μη μια
        να ο οι όπως όταν ότι που ποια ποιες ποιο ποιοι ποιος πού πόσα πόσο πόσοι προς πώς σε στη στην στις στο
        στον στους στα τα τη την της τι τις το τον του τους των ως""",
    "hi": """का के की को में से है हैं था थे थी और या कि यह वह वे ये इस उस ने पर भी तो ही एक कर लिए साथ हो होता
        होती जो जब तक किस किसने कौन क्या क्यों कब कहाँ कैसे कितने कितनी कितना गया गई रहा रहे नहीं द्वारा अपने""",
    "zh": """的 了 是 在 和 与 與 及 或 者 有 为 為 被 对 對 等 这 這 那 其 之 中 也 就 都 而 但 并 並 以 于 於 由
        从 從 到 把 让 讓 给 給 你 您 我 他 她 它 们 們 个 個 么 麼 吗 嗎 呢 吧 啊 谁 誰 哪 几 幾 什么 什麼 甚麼
        哪个 哪個 哪些 哪里 哪裡 怎么 怎麼 怎样 怎樣 怎么样 多少 为什么 為什麼 如何 何时 何時 是否 以及 或者 一个
        一個 我们 我們 你们 你們 他们 他們 她们 它们 它們 这个 這個 那个 那個 这些 這些 那些""",
    "ja": """為る 居る 有る 成る 無い 出来る 因る 於く 就く 対する 事 物 為 此れ 其れ 此の 其の 彼の 何 何処 何時
        誰 如何 何故 よう 様 此処 其処 又 及び 又は""",
}

FUNCTION_WORDS: Final[dict[str, frozenset[str]]] = {
    language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()
}
"""Articles, prepositions, pronouns, question words: those that say nothing of what a text is about."""
