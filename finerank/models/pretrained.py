"""What the models behind sentence-transformers share: opening a checkpoint, and counting with its tokenizer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..errors import DamagedError, FinerankError, TooLongError, UnsupportedError
from ..texts import Window
from .checkpoint import Checkpoint

_TOKENIZER_FILES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")


@contextmanager
def opening(checkpoint: Checkpoint, trust_remote_code: bool) -> Iterator[None]:
    """Refuses code that may not run, and turns whatever goes wrong inside into one clear error."""
    if checkpoint.config.get("auto_map") and not trust_remote_code:
        raise UnsupportedError(
            f"{checkpoint.path} brings Python code of its own, which runs only with trust_remote_code=True "
            "(--trust-remote-code); read it first"
        )
    if tokenizer_file(checkpoint.path) is None:
        # transformers would make up an empty tokenizer, to which every text looks the same.
        raise DamagedError(f"{checkpoint.path} has no tokenizer ({', '.join(_TOKENIZER_FILES)}); download it again")
    from transformers.utils import logging

    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for a second of reading, on everybody's stderr
    try:
        yield
    except FinerankError:
        raise
    except Exception as error:  # transformers and safetensors raise all kinds for a broken checkpoint
        reason = (str(error) or repr(error)).splitlines()[0]
        raise DamagedError(f"{checkpoint.path} cannot be loaded ({reason}); download it again") from error
    finally:
        if had_bars:
            logging.enable_progress_bar()


def refuse_missing_head(path: Path, missing: Sequence[str]) -> None:
    """Raises DamagedError if there are any.   missing: tensors of a classification head that a checkpoint lacks."""
    if missing:
        raise DamagedError(
            f"{path} holds no weights for its classification head ({', '.join(missing[:3])}); its scores would be "
            "random. Use a checkpoint that was trained as a cross-encoder"
        )


def tokenizer_file(folder: Path) -> Path | None:
    """What tokens are made by: in the folder itself, or in that of one of its modules."""
    beside = [folder / name for name in _TOKENIZER_FILES]
    return next((file for file in (*beside, *sorted(folder.glob("*/tokenizer.json"))) if file.is_file()), None)


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, without special ones and without a limit."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
    return [len(ids) for ids in encoded["input_ids"]]


def document_offsets(tokenizer: Any, document: str) -> list[Window]:
    """Characters of each token."""
    if not tokenizer.is_fast:
        raise UnsupportedError("this model's tokenizer tells no positions, so long documents cannot be chunked")
    encoded = tokenizer(document, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets: list[Window] = encoded["offset_mapping"]
    return offsets


def check_room(taken: int, max_length: int) -> int:
    """Tokens left for a document. Raises TooLongError if none."""
    if taken >= max_length:
        raise TooLongError(
            f"the query takes {taken} tokens with the special ones, but the model reads {max_length}; shorten it"
        )
    return max_length - taken
