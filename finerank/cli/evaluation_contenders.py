"""What a contender of `finerank compare` is: MODEL, MODEL@DTYPE, or key=value,key=value."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from ..errors import InputError
from ..instructions import resolve_instruction
from ..models.hub import Hub
from ..prompt import FORMS
from ..reading import check_max_length
from ..types import LongDocuments
from .option_groups import is_path, is_remote, refuse_loading

if TYPE_CHECKING:
    from ..evaluation.evaluator import Contender
    from ..reranker import Reranker

EMBEDDED: Final = "embedded"
_DTYPES: Final = "auto float32 fp32 bfloat16 bf16 float16 fp16".split()
_LOADING: Final = (
    "revision hub device dtype max_length long_documents prompt_form deterministic trust_remote_code"
).split()
_HARMLESS: Final = ("max_length", "long_documents", "self_test")
"""Options that a model behind an API takes, too."""
_CHOICES: Final[dict[str, Sequence[str]]] = {
    "dtype": _DTYPES,
    "hub": get_args(Hub),
    "long_documents": get_args(LongDocuments),
    "prompt_form": tuple(FORMS),
}
_DEVICE: Final = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_KEYS: Final = ("name", "model", "instruction", "preset", "price", *_LOADING)
# A comma ends a value only where a known key follows, so that an instruction may hold commas.
_NEXT_KEY: Final = re.compile(rf"\s*,\s*(?=(?:{'|'.join(_KEYS).replace('_', '[-_]')})\s*=)")
_FIRST_KEY: Final = re.compile(r"\s*([a-z_-]+)\s*=")
_ANY_KEY: Final = re.compile(r",\s*([\w-]+)\s*=")
_LONGEST_SHOWN: Final = 24
_TRUE: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(slots=True)
class Spelled:
    """A contender as the command line has it.   model: None is the embedded one.   loading: options of `Reranker`."""

    name: str
    model: str | None
    instruction: str | None = None
    price: float | None = None
    loading: dict[str, Any] = field(default_factory=dict)

    def contender(self, loading: dict[str, Any]) -> "Contender":
        """loading: options that hold where the contender says nothing else."""
        from ..evaluation.evaluator import Contender

        here = self.model is None or not is_remote(self.model)
        shared = {name: value for name, value in loading.items() if here or name in _HARMLESS}

        def load() -> "Reranker":
            from ..reranker import Reranker

            return Reranker(self.model, **(shared | self.loading))

        return Contender(self.name, load, self.instruction, self.price)


def read_contenders(written: list[str]) -> list[Spelled]:
    """Each with a name of its own. Raises InputError for what cannot be understood."""
    if len(written) < 2:
        raise InputError(f"{len(written)} contender was given; name two or more, such as {EMBEDDED} and MODEL@bfloat16")
    contenders = [read_contender(each) for each in written]
    taken: set[str] = set()
    for number, contender in enumerate(contenders, start=1):
        if contender.name in taken:
            contender.name = f"{contender.name} #{number}"
        taken.add(contender.name)
    return contenders


def read_contender(written: str) -> Spelled:
    """`MODEL`, `MODEL@DTYPE`, or `model=...,dtype=...,instruction=...`; `embedded` is the model always there."""
    first = _FIRST_KEY.match(written)
    if first is None or is_path(written):
        model, dtype = _model_and_dtype(written)
        return _spelled(Spelled(written, _named(model), loading={"dtype": dtype} if dtype else {}))
    pairs = [_pair(part, written) for part in _NEXT_KEY.split(written)]
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError(f"{written!r}: a key stands there twice; give each once")
    model, dtype = _model_and_dtype(values.pop("model", EMBEDDED))
    name = values.pop("name", None) or _default_name(model, dtype, values)
    instruction = resolve_instruction(values.pop("instruction", None), values.pop("preset", None))
    price = _number(values.pop("price"), "price", written) if "price" in values else None
    loading = {"dtype": dtype} if dtype else {}
    loading |= {key: _option(key, value, written) for key, value in values.items()}
    return _spelled(Spelled(name, _named(model), instruction, price, loading))


def _spelled(contender: Spelled) -> Spelled:
    """Refuses now what would be refused when its turn comes, maybe after hours."""
    if contender.model is not None and is_remote(contender.model):
        refuse_loading([name for name in contender.loading if name not in _HARMLESS], contender.model)
    return contender


def _pair(part: str, written: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    key = key.strip().replace("-", "_")
    if key not in _KEYS:
        raise InputError(f"{written!r}: unknown key {key!r}; known: {', '.join(_KEYS)}")
    if not value.strip():
        raise InputError(f"{written!r}: {key} has no value")
    unknown = _ANY_KEY.search(value)
    if unknown is not None and key != "instruction" and not is_path(value.strip()):
        raise InputError(f"{written!r}: unknown key {unknown[1]!r}; known: {', '.join(_KEYS)}")
    return key, value.strip()


def _model_and_dtype(written: str) -> tuple[str, str | None]:
    model, at, dtype = written.rpartition("@")
    if not at or is_path(written):
        return written, None
    if dtype not in _DTYPES:
        raise InputError(f"{written!r}: {dtype!r} is no dtype; known: {', '.join(_DTYPES)}")
    return model, dtype


def _named(model: str) -> str | None:
    if not model.strip():
        raise InputError(f"a contender has no model; give a hub id, a folder, PROVIDER:MODEL or {EMBEDDED}")
    return None if model == EMBEDDED else model


def _default_name(model: str, dtype: str | None, values: dict[str, str]) -> str:
    """Model and what is special of it, in short."""
    special = [dtype] if dtype else []
    for key, value in values.items():
        if key != "price":
            short = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
            special.append(short if key in ("instruction", "preset", "dtype") else f"{key}={short}")
    return " ".join([model, *(f"[{each}]" for each in special)])


def _option(key: str, value: str, written: str) -> Any:
    """As `Reranker` takes it."""
    if key == "max_length":
        number: Any = int(value) if value.isascii() and value.isdigit() else value
        return check_max_length(number)
    if key == "device" and not _DEVICE.fullmatch(value):
        raise InputError(f"{written!r}: device is {value!r}; give auto, cpu, cuda, cuda:0 or mps")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise InputError(f"{written!r}: {key} is {value!r}; known: {', '.join(_CHOICES[key])}")
    if key in ("deterministic", "trust_remote_code"):
        if value.lower() not in _TRUE:
            raise InputError(f"{written!r}: {key} is {value!r}; give true or false")
        return _TRUE[value.lower()]
    return value


def _number(value: str, key: str, written: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise InputError(f"{written!r}: {key} is {value!r}; give a number of at least 0")
    return number


HELP: Final = inspect.cleandoc(
    f"""
    MODEL (hub id, folder, PROVIDER:MODEL, or {EMBEDDED}), MODEL@DTYPE, or KEY=VALUE,KEY=VALUE with the keys
    {", ".join(_KEYS)}: "name=law,model=Qwen/Qwen3-Reranker-0.6B,instruction=Given a clause, find the statute".
    """
).replace("\n", " ")
