"""Three cases to click on the page, each with one document that a careful reader would put first."""

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
