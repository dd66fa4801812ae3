"""What a model's score is worth on a kind of question: a calibrated probability, and a threshold for a precision.

Light: a `Reranker` uses it without scipy. How one is found is in calibration_study.py.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..errors import InputError, SettingsError
from ..scores import sigmoid
from ..types import ModelInfo

_FORMAT: Final = 1
"""Of the file; another one is refused."""


@dataclass(frozen=True, slots=True)
class Line:
    """Platt scaling: the calibrated log-odds are a line in the model's.   slope: above 0.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """

    slope: float
    intercept: float

    def probability(self, log_odds: float) -> float:
        return sigmoid(self.slope * log_odds + self.intercept)


@dataclass(frozen=True, slots=True)
class Points:
    """Isotonic regression through the centres of its blocks: lines between points, level outside.

    log_odds, probabilities: (K,) each, both rising.   Source: Oron and Flournoy, Centered Isotonic Regression, 2017.
    """

    log_odds: tuple[float, ...]
    probabilities: tuple[float, ...]

    def probability(self, log_odds: float) -> float:
        if math.isnan(log_odds):
            return math.nan
        right = bisect_right(self.log_odds, log_odds)
        if right in (0, len(self.log_odds)):
            return self.probabilities[0 if right == 0 else -1]
        x, y = self.log_odds[right - 1 : right + 1], self.probabilities[right - 1 : right + 1]
        return y[0] + (y[1] - y[0]) * (log_odds - x[0]) / (x[1] - x[0])


Curve: TypeAlias = Line | Points


@dataclass(frozen=True, slots=True)
class Threshold:
    """From where on documents are relevant with at least the wanted precision.

    precision: wanted, and promised for pairs like those it was made from, with this `confidence`.
    log_odds: the threshold.   score: the calibrated probability there.
    num_kept, num_relevant: pairs of the data at or above it, and the relevant ones of those; recall: their share of
    all relevant ones.
    """

    precision: float
    confidence: float
    log_odds: float
    score: float
    num_kept: int
    num_relevant: int
    recall: float

    @property
    def found_precision(self) -> float:
        """On the data that it was chosen on, so the promise is lower."""
        return self.num_relevant / self.num_kept


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bound to one model as it was run, and to one instruction.

    instruction: as the model saw it, None for a model that takes none.
    windows: how the model read long documents, as `Reranker.windows` says it.
    facts: of the data and of how good it is, JSON values; see calibration_study.py.
    """

    model: str
    fingerprint: str
    instruction: str | None
    windows: tuple[int | None, float] | None
    curve: Curve
    threshold: Threshold | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def probability(self, log_odds: float) -> float:
        """In [0, 1], never falling as log-odds rise; NaN stays NaN."""
        return self.curve.probability(log_odds)

    def check_model(self, info: ModelInfo, windows: tuple[int | None, float] | None) -> None:
        """Raises SettingsError if it was made with another model, or with one that reads otherwise."""
        if self.fingerprint != info.fingerprint:
            raise SettingsError(
                f"the calibration was made with {self.model}, fingerprint {self.fingerprint}; this is {info.name}, "
                f"fingerprint {info.fingerprint}, whose scores mean something else: run finerank calibrate with it"
            )
        if self.windows != windows:
            raise SettingsError(
                f"the calibration was made with long documents {_reading(self.windows)}, here they are "
                f"{_reading(windows)}; do as it did, or run finerank calibrate again"
            )

    def check_instruction(self, instruction: str | None) -> None:
        """Raises InputError if it was made with another one.   instruction: as the model sees it."""
        if self.instruction != instruction:
            raise InputError(
                f"the calibration was made with the instruction {self.instruction!r}, not with {instruction!r}; give "
                "the same, or run finerank calibrate with the other"
            )

    def as_record(self) -> dict[str, Any]:
        """JSON values, all that the file holds."""
        kind = "platt" if isinstance(self.curve, Line) else "isotonic"
        return {"finerank_calibration": _FORMAT} | asdict(self) | {"curve": {"kind": kind} | asdict(self.curve)}

    def save(self, file: Path) -> None:
        """As JSON. Raises SettingsError if it cannot be written."""
        text = json.dumps(self.as_record(), ensure_ascii=False, indent=2)
        try:
            file.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"the calibration {file} cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, file: str | Path) -> "Calibration":
        """Raises SettingsError if the file is not there, or is no calibration."""
        path = Path(file).expanduser()
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"the calibration {file} cannot be read: {error.strerror}") from None
        except ValueError as error:  # not JSON, or not UTF-8
            raise SettingsError(f"{file} is no calibration of finerank: {error}") from None
        return _of_record(record, str(file))


def load_calibration(source: Calibration | str | Path) -> Calibration:
    """An object as it is, a file as its content. Raises SettingsError."""
    return source if isinstance(source, Calibration) else Calibration.load(source)


def _of_record(record: Any, name: str) -> Calibration:
    made = record.get("finerank_calibration") if isinstance(record, dict) else None
    if made is None:
        raise SettingsError(f"{name} is no calibration of finerank; make one with finerank calibrate")
    if made != _FORMAT:
        raise SettingsError(f"{name} is a calibration of format {made!r}, this finerank reads {_FORMAT}; make it again")
    try:
        threshold = record["threshold"]
        return Calibration(
            model=str(record["model"]),
            fingerprint=str(record["fingerprint"]),
            instruction=None if record["instruction"] is None else str(record["instruction"]),
            windows=_windows(record["windows"]),
            curve=_curve(record["curve"]),
            threshold=None if threshold is None else _threshold(threshold),
            facts=record["facts"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{name} is a damaged calibration ({error}); make it again") from None


def _curve(record: dict[str, Any]) -> Curve:
    if record["kind"] == "platt":
        line = Line(float(record["slope"]), float(record["intercept"]))
        if not (line.slope > 0.0 and math.isfinite(line.slope) and math.isfinite(line.intercept)):
            raise ValueError(f"its slope is {line.slope}, its intercept {line.intercept}")
        return line
    if record["kind"] != "isotonic":
        raise ValueError(f"its curve is {record['kind']!r}")
    points = Points(tuple(map(float, record["log_odds"])), tuple(map(float, record["probabilities"])))
    if not _is_rising(points.log_odds) or not _is_rising(points.probabilities):
        raise ValueError("its points do not rise")
    if len(points.log_odds) != len(points.probabilities):
        raise ValueError("its points lack a value")
    if not 0.0 <= points.probabilities[0] <= points.probabilities[-1] <= 1.0:
        raise ValueError("its probabilities are not within 0 and 1")
    return points


def _threshold(record: dict[str, Any]) -> Threshold:
    threshold = Threshold(**record)
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in record.values()):
        raise ValueError("its threshold has values that are no numbers")
    return threshold


def _windows(record: Any) -> tuple[int | None, float] | None:
    if record is None:
        return None
    tokens, overlap = record
    return None if tokens is None else int(tokens), float(overlap)


def _reading(windows: tuple[int | None, float] | None) -> str:
    if windows is None:
        return "truncated"
    tokens = "as much as fits" if windows[0] is None else f"{windows[0]:,} tokens"
    return f"read in windows of {tokens}, overlapping by {windows[1]:g}"


def _is_rising(values: tuple[float, ...]) -> bool:
    """Also false for NaN, and for nothing."""
    return bool(values) and all(a < b for a, b in pairwise(values)) and values[0] == values[0]
