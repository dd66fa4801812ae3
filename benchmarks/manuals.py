"""Service manuals as PDF files, generated: pages of short paragraphs under a running header, one alarm a manual."""

import random
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

PARTS = (
    "pump valve motor bearing filter hose sensor relay coolant gear spindle conveyor belt clutch heater nozzle piston "
    "gasket turbine compressor fan inverter encoder brake chain pulley seal tank regulator manifold"
).split()
FAULTS = (
    "gives no signal;is too hot;vibrates;leaks oil;is blocked;turns the wrong way;has lost its reference;is worn;"
    "draws too much current;does not close;is not lubricated;reports a checksum error"
).split(";")
VERBS = "Check Replace Clean Tighten Inspect Lubricate Drain Align Calibrate Remove Secure Measure".split()
PLACES = "left right upper lower front rear inner outer main auxiliary".split()


class Alarm(NamedTuple):
    """What a manual says on one of its pages.   question: what a technician asks."""

    code: str
    page: int
    text: str

    @property
    def question(self) -> str:
        return f"What does alarm {self.code} mean?"


def _sentence(rng: random.Random) -> str:
    return (
        f"{rng.choice(VERBS)} the {rng.choice(PLACES)} {rng.choice(PARTS)} before the {rng.choice(PARTS)} of unit "
        f"{rng.randint(1, 90)} is started again."
    )


def write_manual(file: Path, number: int, num_pages: int, code: str | None = None) -> Alarm:
    """A manual of `num_pages` pages with one alarm in a body; its code stands in every page's header, too."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    rng = random.Random(number)
    code = code or f"E{number:04d}"
    alarm_page = rng.randint(2, num_pages)
    part = f"{rng.choice(PLACES)} {rng.choice(PARTS)}"
    alarm = Alarm(code, alarm_page, f"Alarm {code}: the {part} {rng.choice(FAULTS)}. {_sentence(rng)}")
    canvas = Canvas(str(file), pagesize=A4)
    canvas.setTitle(f"Service manual of machine {number}")
    for page in range(1, num_pages + 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(60, 810, f"Machine {number} - service manual - alarm list {code}")
        canvas.drawString(60, 30, f"Page {page} of {num_pages}    rev. B    {code}")
        canvas.setFont("Helvetica", 11)
        canvas.drawString(60, 770, f"{page} Maintenance of the {rng.choice(PLACES)} {rng.choice(PARTS)}")
        sentences = [_sentence(rng) for _ in range(rng.randint(4, 8))]
        if page == alarm_page:
            sentences.insert(rng.randint(0, len(sentences)), alarm.text)
        for row, line in enumerate(wrap(" ".join(sentences), 85)):
            canvas.drawString(60, 740 - 15 * row, line)
        canvas.showPage()
    canvas.save()
    return alarm


def write_manuals(folder: Path, count: int, num_pages: int, *, first: int = 0) -> Iterator[tuple[Path, Alarm]]:
    """`count` manuals, numbered from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        file = folder / f"manual{number:04d}.pdf"
        yield file, write_manual(file, number, num_pages)
