"""The reference: the Qwen3-Reranker model card's way, pair by pair, through transformers."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from finerank.prompt import README_FORM

_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


class Reference:
    """Log-odds of one pair at a time from full-vocabulary logits."""

    def __init__(self, folder: Path, *, dtype: torch.dtype = torch.float32, max_length: int = 8192) -> None:
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        self.network = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self.max_length = max_length

    def ids(self, query: str, document: str, instruction: str | None = None) -> list[int]:
        instruction = README_FORM.default_instruction if instruction is None else instruction
        prefix = self.tokenizer.encode(_PREFIX, add_special_tokens=False)
        suffix = self.tokenizer.encode(_SUFFIX, add_special_tokens=False)
        body = self.tokenizer.encode(
            f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}", add_special_tokens=False
        )
        return [*prefix, *body[: self.max_length - len(prefix) - len(suffix)], *suffix]

    @torch.no_grad()
    def log_odds(self, query: str, document: str, instruction: str | None = None) -> float:
        logits = self.network(input_ids=torch.tensor([self.ids(query, document, instruction)])).logits[0, -1].float()
        yes, no = (self.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
        return float(logits[yes] - logits[no])
