"""Every sentence of the page, in the languages that it speaks.

A text may name values in braces. The browser chooses the language (page.js) and sends it with each call.
"""

# ruff: noqa: RUF001  (Chinese has its own commas)

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Said:
    """A text by its key, with the values that belong into it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class PageError(Exception):
    """What the reader of the page did that cannot work, to be said in their language."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(say("en", key, **values))
        self.said = Said(key, values)


def language_of(value: object) -> Language:
    """What the browser sent, English if it is none of ours."""
    return "zh" if value == "zh" else "en"


def say(language: Language, key: str, /, **values: object) -> str:
    """The text of `key`. Unknown keys raise KeyError: they are mistakes of ours."""
    return TEXTS[language][key].format(**values)


_EN: Final = {
    "tagline": "A second, careful look at search results: the documents that answer the query come first.",
    "hint": "10 to 50 good candidates beat 200 poor ones: let a search engine find them, then rank them here.",
    "switch": "中文",
    "tab.rerank": "Rerank",
    "tab.compare": "Compare",
    "tab.why": "Why",
    "tab.batch": "Batch",
    # What several tabs have
    "query": "Query",
    "query.hint": "What are you looking for?",
    "documents": "Documents, one a line",
    "documents.hint": "One candidate a line",
    "options": "Instruction and options",
    "preset": "Instruction for this kind of search",
    "instruction": "Instruction, in English",
    "instruction.hint": "Empty: {default}",
    "batch_size": "Documents computed at once (0 = automatic)",
    "field": "Column or key with the text, for CSV and JSON Lines",
    "model": "Model",
    "model.note": "answers in all tabs but Compare",
    "submit": "Rank (Ctrl+Enter)",
    "examples": "Examples",
    "example": "Fill in an example",
    "download": "Save as",
    "busy": "Ranking ...",
    "waiting": "Ranking {count} documents ...",
    # Files
    "file.open": "Open a file",
    "file.kinds": "txt, CSV or JSON Lines, up to {limit}",
    "file.clear": "Remove the file",
    "file.read": "{name}: {count} documents. They are ranked in place of the text box.",
    "file.too_large": "{name} has {size} and this server takes files of up to {limit}; send a smaller part of it",
    "file.unreadable": "{name} did not arrive whole; choose it again",
    "file.empty": "{name} is empty; it needs at least one document",
    "file.binary": "{name} is not a text file; save it as txt, CSV or JSON Lines",
    "file.is_zip": "{name} is a spreadsheet, a Word document or an archive; save it as CSV or txt",
    "file.is_pdf": "{name} is a PDF; copy its text into a txt file",
    "file.is_office": "{name} is a file of an Office program; save it as CSV or txt",
    "file.is_gzip": "{name} is compressed; unpack it first",
    "file.encoding": "{name} is neither UTF-8 nor GBK; save it as UTF-8",
    "file.as_gbk": "{name} is not UTF-8; it was read as GBK (GB 18030)",
    "file.as_utf16": "{name} was read as UTF-16",
    "file.json": "{name}: a whole JSON value is not read; write one string or object a line and call it .jsonl",
    "file.no_column": "{place} has no column {name}; its columns are {found}. Name the right one under “Column or key”",
    "file.no_key": "{place} has no key {name}; its keys are {found}. Name the right one under “Column or key”",
    # The model
    "model.line": "{dtype} on {device}, fingerprint",
    "model.no_instruction": "; it takes no instruction",
    "model.advice": "This is the small English model that comes with finerank. For better rankings and 100+ languages "
    "start with",
    "model.load_now": ", or load that model now:",
    "model.restart": " (up to whoever runs this server).",
    "model.better": "Load {model} (1.2 GB)",
    "model.loading": "{model} is being fetched and loaded ({seconds} s); the first time it downloads 1.2 GB. "
    "You can go on meanwhile.",
    # Rerank
    "rerank.empty": "The ranking appears here.",
    "rerank.facts": "{count} documents in {seconds} s by",
    "rerank.tokens": "{computed} tokens computed",
    "rerank.saved": ", {saved} saved by shared prefixes",
    "rerank.known": ", {count} scores known already",
    "rerank.truncated": "; {count} truncated",
    "rerank.origin": "line {number} of the input",
    "rerank.origin_file": "document {number} of the file",
    "rerank.stop": ".",
    "rerank.no_score": "No score: {error}",
    "rerank.log_odds": "log-odds {value}",
    "rerank.why": "Why?",
    "rerank.why_label": "Why this score? Document {place}",
    "rerank.more": "{count} more characters",
    "flag.truncated": "truncated: {tokens} tokens are more than fit",
    "flag.window": "best window: characters {start} to {end}",
    "flag.blank": "blank",
    # Compare
    "compare.intro": "The same documents, ranked twice. What moves when the instruction, the model or its precision "
    "changes?",
    "compare.empty": "Two rankings appear here, with a line from each document's place on the left to its place on the "
    "right.",
    "compare.submit": "Compare (Ctrl+Enter)",
    "compare.take": "Take query and documents from Rerank",
    "compare.left": "Left",
    "compare.right": "Right",
    "compare.model": "Model, {side}",
    "compare.instruction": "Instruction, {side}",
    "compare.dtype": "Precision, {side}",
    "compare.as_loaded": "as loaded",
    "compare.same": "both sides are the same; change the instruction, the model or the precision of one",
    "compare.loading": "{name} is being loaded beside the others ({seconds} s). It stays for the next time.",
    "compare.waiting": "Ranking {count} documents twice, side {side} ...",
    "compare.summary": "{moved} of {count} documents moved; {share} of all pairs stand in the same order.",
    "compare.still": "No document moved.",
    "compare.top": "On top on both sides: {text}",
    "compare.new_top": "The first place changed hands.",
    "compare.default_instruction": "default instruction",
    "compare.no_instruction": "takes no instruction",
    "compare.up": "{places} up",
    "compare.down": "{places} down",
    "compare.not_moved": "not moved",
    "compare.texts": "The texts in full",
    "compare.side_error": "{side}: {error}",
    "compare.may_not": "this server does not load other models from the page",
    "compare.revision": "the server was started with a revision, so the page cannot tell which weights "
    "another precision should have",
    "compare.places": "{left} to {right}",
    # Why
    "why.intro": "Which sentences of a document carry its score? Each one is scored for itself, all in one batch.",
    "why.document": "Document",
    "why.document.hint": "One document, as long as you like",
    "why.measure": "The colour shows",
    "why.alone": "the score of each sentence alone",
    "why.without": "what the document loses without the sentence",
    "why.submit": "Explain (Ctrl+Enter)",
    "why.empty": "The document appears here, its sentences coloured by what they add to the score.",
    "why.waiting": "Scoring {count} sentences ...",
    "why.whole": "The whole document",
    "why.no_document": "the document is empty; give the text to explain",
    "why.alone_caption": "The stronger the colour, the higher the model scores this sentence when it reads nothing "
    "else. No colour is the lowest sentence of this document ({low}), full colour the highest ({high}); the colours of "
    "two documents cannot be compared.",
    "why.without_caption": "Green sentences hold the score up: without them the document's log-odds fall. Red ones "
    "pull it down: without them they rise. Full colour is the largest change in this document ({most}).",
    "why.one": "The document is a single sentence, so there is nothing to compare within it.",
    "why.joined": "the document has more sentences than this server scores at once; neighbours were joined",
    "why.truncated": "the document is longer than the model reads; the end of it did not count for the whole score",
    "why.list": "Sentences by what they carry",
    "why.alone_value": "score {score}, log-odds {log_odds}",
    "why.without_value": "adds {change} to the log-odds; score {score} without it",
    "why.low": "low",
    "why.high": "high",
    "why.hurts": "pulls down",
    "why.helps": "holds up",
    "why.failed": "a sentence could not be scored: {error}",
    # Batch
    "batch.intro": "Many queries from a file, each with its own candidates. A bad line becomes a row with its error; "
    "the others go on.",
    "batch.jsonl": 'JSON Lines: {{"query": "...", "documents": ["...", "..."], "instruction": "optional"}}',
    "batch.csv": "CSV with the columns query and document (and instruction, if you like): rows of one query belong "
    "together",
    "batch.instruction": "Instruction for lines that have none, in English",
    "batch.submit": "Run (Ctrl+Enter)",
    "batch.cancel": "Cancel",
    "batch.empty": "Progress and the first results appear here.",
    "batch.sample": "Try a sample file",
    "batch.suffix": "{name}: a batch is a .jsonl or a .csv file",
    "batch.nothing": "{name} has no queries",
    "batch.no_file": "no file was chosen; open a .jsonl or .csv file with queries and documents",
    "batch.read": "{name}: {count} queries with {documents} documents.",
    "batch.read_bad": "{name}: {count} queries with {documents} documents; {bad} lines cannot be used and become error "
    "rows.",
    "batch.progress": "{done} of {count} queries",
    "batch.left": "about {seconds} s to go",
    "batch.errors": "{count} with an error",
    "batch.done": "Done: {count} queries in {seconds} s.",
    "batch.cancelled": "Cancelled after {done} of {count} queries; what was done can be saved.",
    "batch.first": "The first {count} are shown; the file has them all.",
    "batch.line": "line {line}",
    "batch.row_cancelled": "cancelled",
    # Errors of the form
    "error.query": "the query is empty; give the text to rank the documents for",
    "error.documents": "documents is empty; give at least one",
    "error.many": "documents has {count} entries and this server takes {limit}; send the best candidates only, or "
    "start the server with a larger --max-documents",
}

_ZH: Final = {
    "tagline": "对搜索结果再仔细看一遍：真正回答查询的文档排在最前面。",
    "hint": "10 到 50 篇优质候选胜过 200 篇劣质候选：先用搜索引擎召回，再在这里精排。",
    "switch": "English",
    "tab.rerank": "重排",
    "tab.compare": "对比",
    "tab.why": "解释",
    "tab.batch": "批量",
    "query": "查询",
    "query.hint": "你在找什么？",
    "documents": "文档，每行一篇",
    "documents.hint": "每行一篇候选文档",
    "options": "指令与选项",
    "preset": "按搜索类型选择指令",
    "instruction": "指令（请用英文）",
    "instruction.hint": "留空则为：{default}",
    "batch_size": "同时计算的文档数（0 = 自动）",
    "field": "CSV / JSON Lines 中正文所在的列名或键名",
    "model": "模型",
    "model.note": "用于“对比”以外的所有标签页",
    "submit": "排序（Ctrl+Enter）",
    "examples": "示例",
    "example": "填入示例",
    "download": "保存为",
    "busy": "正在排序……",
    "waiting": "正在为 {count} 篇文档排序……",
    "file.open": "打开文件",
    "file.kinds": "txt、CSV 或 JSON Lines，最大 {limit}",
    "file.clear": "移除文件",
    "file.read": "{name}：共 {count} 篇文档，将代替文本框中的内容参与排序。",
    "file.too_large": "{name} 的大小为 {size}，本服务器最多接受 {limit} 的文件；请截取一部分再上传",
    "file.unreadable": "{name} 没有完整送达；请重新选择",
    "file.empty": "{name} 是空的；至少需要一篇文档",
    "file.binary": "{name} 不是文本文件；请另存为 txt、CSV 或 JSON Lines",
    "file.is_zip": "{name} 是电子表格、Word 文档或压缩包；请另存为 CSV 或 txt",
    "file.is_pdf": "{name} 是 PDF；请把其中的文字复制到 txt 文件",
    "file.is_office": "{name} 是 Office 文件；请另存为 CSV 或 txt",
    "file.is_gzip": "{name} 是压缩文件；请先解压",
    "file.encoding": "{name} 既不是 UTF-8 也不是 GBK；请另存为 UTF-8",
    "file.as_gbk": "{name} 不是 UTF-8，已按 GBK（GB 18030）读取",
    "file.as_utf16": "{name} 已按 UTF-16 读取",
    "file.json": "{name}：不读取整个 JSON 值；请每行写一个字符串或对象，并以 .jsonl 为扩展名",
    "file.no_column": "{place} 没有名为 {name} 的列；现有的列：{found}。请在“列名或键名”中填写正确的列",
    "file.no_key": "{place} 没有名为 {name} 的键；现有的键：{found}。请在“列名或键名”中填写正确的键",
    "model.line": "{dtype}，{device}，指纹",
    "model.no_instruction": "；不接受指令",
    "model.advice": "这是 finerank 自带的英文小模型。要获得更好的排序和 100 多种语言的支持，请这样启动：",
    "model.load_now": "，或现在就加载该模型：",
    "model.restart": "（由服务器的管理者执行）。",
    "model.better": "加载 {model}（1.2 GB）",
    "model.loading": "正在获取并加载 {model}（{seconds} 秒）；首次需下载 1.2 GB。其间可继续使用。",
    "rerank.empty": "排序结果显示在这里。",
    "rerank.facts": "{count} 篇文档，用时 {seconds} 秒，模型",
    "rerank.tokens": "计算了 {computed} 个 token",
    "rerank.saved": "，共享前缀节省 {saved} 个",
    "rerank.known": "，{count} 个分数来自缓存",
    "rerank.truncated": "；{count} 篇被截断",
    "rerank.origin": "输入的第 {number} 行",
    "rerank.origin_file": "文件中的第 {number} 篇",
    "rerank.stop": "。",
    "rerank.no_score": "没有分数：{error}",
    "rerank.log_odds": "对数几率 {value}",
    "rerank.why": "为什么？",
    "rerank.why_label": "为什么是这个分数？第 {place} 名",
    "rerank.more": "其余 {count} 个字符",
    "flag.truncated": "已截断：{tokens} 个 token 超出了上限",
    "flag.window": "最佳窗口：第 {start} 到 {end} 个字符",
    "flag.blank": "空白",
    "compare.intro": "同样的文档排两次。换一条指令、一个模型或一种精度，名次会怎样变化？",
    "compare.empty": "两份排序显示在这里，每篇文档在左右两边的名次之间有一条连线。",
    "compare.submit": "对比（Ctrl+Enter）",
    "compare.take": "取用“重排”中的查询和文档",
    "compare.left": "左",
    "compare.right": "右",
    "compare.model": "模型（{side}）",
    "compare.instruction": "指令（{side}）",
    "compare.dtype": "精度（{side}）",
    "compare.as_loaded": "与已加载的相同",
    "compare.same": "左右两边完全相同；请修改其中一边的指令、模型或精度",
    "compare.loading": "正在其他模型之外加载 {name}（{seconds} 秒）。加载后会保留，供下次对比使用。",
    "compare.waiting": "正在为 {count} 篇文档排序两次，{side} 侧……",
    "compare.summary": "{count} 篇文档中有 {moved} 篇名次变动；所有文档对中 {share} 的先后次序一致。",
    "compare.still": "没有文档变动名次。",
    "compare.top": "两边都排第一：{text}",
    "compare.new_top": "第一名换了。",
    "compare.default_instruction": "默认指令",
    "compare.no_instruction": "不接受指令",
    "compare.up": "上升 {places} 位",
    "compare.down": "下降 {places} 位",
    "compare.not_moved": "未变动",
    "compare.texts": "全文",
    "compare.side_error": "{side}：{error}",
    "compare.may_not": "本服务器不允许从网页加载其他模型",
    "compare.revision": "服务器启动时指定了 revision，因此无法确定另一种精度应使用哪份权重",
    "compare.places": "从 {left} 到 {right}",
    "why.intro": "文档的分数由哪些句子撑起？每个句子单独打分，全部在同一批中完成。",
    "why.document": "文档",
    "why.document.hint": "一篇文档，长短不限",
    "why.measure": "颜色表示",
    "why.alone": "每个句子单独的分数",
    "why.without": "去掉该句后文档损失多少",
    "why.submit": "解释（Ctrl+Enter）",
    "why.empty": "文档显示在这里，句子按其对分数的贡献着色。",
    "why.waiting": "正在为 {count} 个句子打分……",
    "why.whole": "整篇文档",
    "why.no_document": "文档是空的；请填写要解释的文本",
    "why.alone_caption": "颜色越深，表示模型单独读到这句话时给的分数越高。无色是本文档中最低的句子（{low}），"
    "最深是最高的句子（{high}）；不同文档之间的颜色不能比较。",
    "why.without_caption": "绿色的句子撑起分数：去掉后文档的对数几率下降。红色的句子拉低分数：去掉后反而上升。"
    "最深的颜色是本文档中最大的变化（{most}）。",
    "why.one": "这篇文档只有一个句子，内部没有可比较的内容。",
    "why.joined": "文档的句子多于本服务器一次能打分的数量；相邻的句子已合并",
    "why.truncated": "文档超出了模型能读的长度；末尾部分没有计入整篇的分数",
    "why.list": "按贡献排列的句子",
    "why.alone_value": "分数 {score}，对数几率 {log_odds}",
    "why.without_value": "使对数几率变化 {change}；去掉后分数为 {score}",
    "why.low": "低",
    "why.high": "高",
    "why.hurts": "拉低",
    "why.helps": "撑起",
    "why.failed": "有一个句子无法打分：{error}",
    "batch.intro": "一个文件包含多个查询，每个查询有自己的候选文档。坏行会成为一行错误记录，其余照常进行。",
    "batch.jsonl": 'JSON Lines：{{"query": "...", "documents": ["...", "..."], "instruction": "可选"}}',
    "batch.csv": "CSV：含 query 和 document 两列（也可有 instruction 列），同一查询的各行归为一组",
    "batch.instruction": "用于没有指令的行的指令（请用英文）",
    "batch.submit": "运行（Ctrl+Enter）",
    "batch.cancel": "取消",
    "batch.empty": "进度和最初的结果显示在这里。",
    "batch.sample": "试用示例文件",
    "batch.suffix": "{name}：批量文件应为 .jsonl 或 .csv",
    "batch.nothing": "{name} 中没有查询",
    "batch.no_file": "没有选择文件；请打开含查询和文档的 .jsonl 或 .csv 文件",
    "batch.read": "{name}：{count} 个查询，{documents} 篇文档。",
    "batch.read_bad": "{name}：{count} 个查询，{documents} 篇文档；{bad} 行无法使用，将成为错误记录。",
    "batch.progress": "已完成 {done} / {count} 个查询",
    "batch.left": "大约还需 {seconds} 秒",
    "batch.errors": "{count} 个出错",
    "batch.done": "完成：{count} 个查询，用时 {seconds} 秒。",
    "batch.cancelled": "已取消，完成了 {done} / {count} 个查询；已完成的部分可以保存。",
    "batch.first": "这里显示前 {count} 个；文件中包含全部结果。",
    "batch.line": "第 {line} 行",
    "batch.row_cancelled": "已取消",
    "error.query": "查询是空的；请填写用来给文档排序的文本",
    "error.documents": "文档是空的；请至少给出一篇",
    "error.many": "共有 {count} 篇文档，而本服务器最多接受 {limit} 篇；请只发送最好的候选，"
    "或用更大的 --max-documents 启动服务器",
}

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType({"en": _EN, "zh": _ZH})

PRESET_NAMES_ZH: Final = MappingProxyType(
    {
        "web": "网页搜索",
        "code": "代码",
        "faq": "常见问题",
        "legal": "法律",
        "academic": "学术",
        "semantic": "语义相似",
        "support": "设备维修",
        "product": "商品",
        "news": "新闻",
        "medical": "医疗",
    }
)
"""The presets of instructions.py by name; one that is missing here keeps its English name."""
