"""A manual as PDF: "E07" in every page's header, and in the body of one page alone."""

import io

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

NUM_PAGES = 300
ANSWER_PAGE = 189
CHAPTER = (ANSWER_PAGE - 9, ANSWER_PAGE + 20)
CHAPTER_PAGES = 30
CHAPTER_ANSWER_PAGE = 10
ANSWER = "Alarm E07: the signal of the hydraulic pressure sensor is missing."
_SUBJECTS = (
    "oil pump, cooler, main drive, safety door, control panel, valve block, oil tank, lamp, press table, gear".split(
        ", "
    )
)
_TASKS = (
    "Check the {} once a week and write the result into the log of the machine.",
    "Before work on the {} the main switch is turned off and locked.",
    "A worn {} is replaced by trained staff only; the part's number is on its plate.",
    "Clean the {} with a dry cloth. Water and compressed air are not allowed.",
    "After 500 hours the {} is inspected; after 2,000 hours it is overhauled.",
)


def manual_pdf(first: int = 1, last: int = NUM_PAGES) -> bytes:
    """Its pages from `first` to `last`."""
    written = io.BytesIO()
    canvas = Canvas(written, A4, invariant=1)
    canvas.setTitle("Press K1: maintenance")
    for page in range(first, last + 1):
        canvas.drawString(60, 800, "Press K1, manual E07-B, what the alarm means")
        canvas.drawString(60, 40, f"Manual E07-B, page {page} of {NUM_PAGES}")
        for number, line in enumerate(_lines(page)):
            canvas.drawString(60, 760 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def _lines(page: int) -> list[str]:
    subject = _SUBJECTS[page % len(_SUBJECTS)]
    lines = [f"{page}. The {subject} of section {page}"]
    lines += [_TASKS[(page + step) % len(_TASKS)].format(subject) for step in range(4)]
    if page == ANSWER_PAGE:
        lines += ["", ANSWER, "Check the plug and the cable of the sensor. Then replace the sensor."]
    return lines
