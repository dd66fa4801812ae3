"""Cases to click on the page, each with one document that a careful reader would put first."""

# ruff: noqa: RUF001  (Chinese has its own commas)

from dataclasses import dataclass
from typing import Final

from ..instructions import PRESETS


@dataclass(frozen=True, slots=True)
class Example:
    """best: index of the document that answers the query.   instruction: empty for the default."""

    title: str
    query: str
    documents: tuple[str, ...]
    instruction: str
    best: int


EXAMPLES: Final = (
    Example(
        "Explain gradient descent",
        "Explain gradient descent",
        (
            "The gradient of a mountain road is given in percent: ten metres up for every hundred metres along.",
            "The descent from the summit took three hours because the path was covered with ice.",
            "Gradient descent lowers a loss step by step: it computes the gradient of the loss with respect to the "
            "parameters and moves them a little in the opposite direction, until the loss stops falling.",
            "A decision tree splits the data at thresholds of single features.",
            "In CSS, linear-gradient() paints a smooth transition between two or more colours.",
        ),
        "",
        2,
    ),
    Example(
        "设备报警 E07",
        "设备报警 E07 是什么意思？",
        (
            "手册 E07-B，第 12 页：每 500 小时更换一次滤芯。",
            "设备报警 E07 的意思是液压压力传感器信号故障，请检查插头和电缆。",
            "E12：冷却液温度过高，请清洁散热器。",
            "主电机的额定功率为 15 千瓦。",
            "开机前请确认急停按钮已经复位。",
        ),
        PRESETS["support"],
        1,
    ),
    Example(
        "An asynchronous web crawler",
        "How do I write an asynchronous web crawler in Python?",
        (
            "With requests.get(url) Python fetches one page after the other; each call blocks until it is answered.",
            "pandas.read_html(url) reads every table of a web page into a list of DataFrames.",
            "An asynchronous web crawler in Python uses asyncio and aiohttp: open one ClientSession, make a coroutine "
            "for each page, and await them together with asyncio.gather while a semaphore limits how many run.",
            "A spider builds its web from silk that it spins in its abdomen.",
            "BeautifulSoup finds the tags of an HTML page that is already in memory.",
        ),
        PRESETS["code"],
        2,
    ),
    Example(
        "Read a large CSV file",
        "How do I read a large CSV file in Python that does not fit into memory?",
        (
            "pd.read_csv('data.csv') loads the whole file into one DataFrame.",
            "To read a CSV file that is larger than memory, pass chunksize to pandas.read_csv and go through the "
            "pieces one at a time: for chunk in pd.read_csv('big.csv', chunksize=100_000): process(chunk).",
            "df.to_csv('out.csv', index=False) writes a DataFrame to a file.",
            "An Excel sheet holds at most 1,048,576 rows; larger exports are cut off.",
            "json.load(file) parses a JSON document into dictionaries and lists.",
        ),
        PRESETS["code"],
        1,
    ),
)

COMPARISON: Final = Example(
    "",
    "apple",
    (
        "Apple's quarterly revenue rose by six percent on strong sales of its phones.",
        "An apple a day: the fruit is rich in fibre and in vitamin C.",
        "To bake an apple pie, slice six tart apples and toss them with sugar and cinnamon.",
        "The company's new laptop chip doubles the speed of its graphics.",
        "Orchards in the valley grow pears, plums and cherries.",
    ),
    "Given the name of a company, retrieve news about its business",
    0,
)
"""Two meanings of one word, told apart by the instruction."""

EXPLAINED: Final = Example(
    "",
    "What does alarm E07 mean?",
    (
        "Manual E07-B, page 12. Before any work on the press, switch off the main drive and secure it. Alarm E07 means "
        "that the signal of the hydraulic pressure sensor is faulty or missing. Check the plug and the cable of the "
        "sensor first; corroded contacts are the most common cause. The oil filter is changed every 500 hours. If the "
        "alarm stays after a new sensor was fitted, the input card of the controller is damaged.\n\nKeep this manual "
        "near the machine.",
    ),
    PRESETS["support"],
    0,
)

BATCH: Final = "\n".join(
    (
        '{"query": "red planet", "documents": ["Venus is the hottest planet.", "Mars is called the red planet."]}',
        '{"query": "How do I undo the last commit?", "documents": ["git reset --soft HEAD~1 undoes the last commit and '
        'keeps the changes.", "git log shows the commits.", "A committee met last week."], "instruction": '
        f'"{PRESETS["code"]}"'
        "}",
        '{"query": "this line has no documents"}',
        '{"query": "退货期限是多少天？", "documents": ["退货须在签收后七天内提出。", "本店全场包邮。"], '
        '"id": "shop-4"}',
    )
)
