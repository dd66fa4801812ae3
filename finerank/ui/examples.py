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

MANUALS_QUERY: Final = "What does alarm E07 mean?"
MANUALS: Final = {
    "pump-p3.md": """# Pump P3: maintenance manual

## Before the first start

Fill the tank with oil of class HLP 46 up to the upper mark. Open the suction valve before the motor is switched on. Let
the pump run without load for ten minutes and listen for noises.

## Alarms

### E05: oil too hot

The oil is hotter than 70 °C. Clean the cooler and check its fan. Do not reset the alarm before the oil is below 55 °C.

### E07: hydraulic pressure sensor

Alarm E07 means that the hydraulic pressure sensor gives no signal. Check its plug and its cable first; corroded
contacts are the most common cause.

### E12: door open

The machine stops because the safety door is not closed. Close the door and press the reset button.

## Maintenance

Change the oil filter every 500 hours and the oil every 2,000 hours. Write the date into the log.
""",
    "press-k1.md": """# Press K1: operation

This manual is part of the series E07-B. See the manual E07-A for transport and installation.

## When the lamp blinks

The display shows a number. Write down the number, the date and the piece that was pressed. Only trained staff may reset
the press.

## What the lamps mean

Green: ready. Yellow: the tool is being changed. Red: an alarm; its number is on the display.

## Cleaning

Clean the table at the end of each shift. Do not use compressed air.
""",
    "careers.md": """# Careers

We are hiring technicians for the night shift. Send us your CV.
""",
    "维修手册.md": """# 液压机维修手册

## 报警代码

E05：油温过高，请清洁散热器并检查风扇。

E07：液压压力传感器信号故障。请先检查传感器的插头和电缆，触点腐蚀是最常见的原因。

E12：安全门未关闭，请关好安全门后按复位按钮。

## 保养

每 500 小时更换一次滤芯，每 2000 小时更换一次液压油。
""",
}
"""Files to search in, by name."""
