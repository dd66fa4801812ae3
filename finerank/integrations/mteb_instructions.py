"""A file of instructions, one for each task, as Qwen publishes them."""

import json
from pathlib import Path

from ..errors import InputError


def read_instructions(file: Path) -> dict[str, str]:
    """{"task": "instruction", ...}, or MTEB's own form of a prompt, {"task": {"query": "instruction"}}.

    Raises InputError.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"instructions {file}: it cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f'instructions {file}: it must be an object, {{"task": "instruction", ...}}')
    told: dict[str, str] = {}
    for task, said in content.items():
        instruction = said.get("query") if isinstance(said, dict) else said
        if not isinstance(instruction, str) or not instruction.strip():
            raise InputError(f"instructions {file}: the instruction of {task} is not a text")
        told[task] = instruction
    return told
