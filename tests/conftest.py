"""Tiny models with random weights and a small tokenizer of Qwen's make, all created here: nothing is downloaded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

from finerank.prompt import EVALUATION_FORM, README_FORM

torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)

CONTROL_TOKENS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
"""Marked special in Qwen3's tokenizer."""
PLAIN_ADDED_TOKENS = [
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>",
]  # fmt: skip
"""Added too, but not marked special."""

# Qwen's pre-tokenizer, a fact of the model (its tokenizer.json).
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SCRIPTS = {
    "English": "The quick brown fox jumps over the lazy dog.",
    "German": "Über die Straße läuft ein müder Dachshund – schnell!",
    "Greek": "Η γρήγορη καφέ αλεπού πηδά πάνω από το σκυλί.",
    "Russian": "Быстрая коричневая лиса прыгает через собаку.",
    "Hebrew": "השועל החום המהיר קופץ מעל הכלב",
    "Arabic": "الثعلب البني السريع يقفز فوق الكلب",
    "Hindi": "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है",
    "Thai": "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัข",
    "Chinese": "敏捷的棕色狐狸跳过了懒狗。报警代码 E07",
    "Japanese": "素早い茶色の狐がのろまな犬を飛び越える。",
    "Korean": "빠른 갈색 여우가 게으른 개를 뛰어넘는다",
    "Tamil": "விரைவான பழுப்பு நரி சோம்பேறி நாயைத் தாண்டுகிறது",
    "Georgian": "სწრაფი ყავისფერი მელა ხტება",
    "emoji and marks": "naïve café e\u0301 👩‍👩‍👧‍👦 𝔘𝔫𝔦 \u200b zero\u00a0width",
    "code": "def f(x):\n\treturn {'a': [x**2 for x in range(10)]}  # done\r\n",
}


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE with Qwen's normaliser, pieces and added tokens, and a vocabulary of 800."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    words = ["yes", "no", *SCRIPTS.values()]
    words += [form.instruction + form.query + form.default_instruction for form in (README_FORM, EVALUATION_FORM)]
    trainer = trainers.BpeTrainer(
        vocab_size=800, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([word for word in words for _ in range(20)], trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in PLAIN_ADDED_TOKENS])
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer()


MakeQwen3 = Callable[..., Path]


@pytest.fixture(scope="session")
def make_qwen3(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> MakeQwen3:
    """Saves a random Qwen3 with transformers and returns its folder. Keywords go to Qwen3Config."""

    def make(*, seed: int = 0, classifier: bool = False, shard_size: str = "5GB", **changes: Any) -> Path:
        sizes = {
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "tie_word_embeddings": True,
            "rope_theta": 1e6,
            "max_position_embeddings": 40_960,
            "initializer_range": 0.2,
        }
        torch.manual_seed(seed)
        config = Qwen3Config(**(sizes | changes))
        network = (Qwen3ForSequenceClassification if classifier else Qwen3ForCausalLM)(config)
        for name, parameter in network.named_parameters():
            if name.endswith("norm.weight"):  # all ones would hide a norm that is left out
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
        folder = tmp_path_factory.mktemp("qwen3")
        network.save_pretrained(folder, max_shard_size=shard_size)
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_qwen3(make_qwen3: MakeQwen3) -> Path:
    return make_qwen3()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real retrieval data and the real tokenizer, where they are."""
    folder = Path(os.environ.get("FINERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FINERANK_DATA")
    return folder
