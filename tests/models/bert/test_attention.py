"""Attention in two products against torch's fused attention in fp32."""

import pytest
import torch
import torch.nn.functional as F

from finerank.models.bert import attention
from finerank.models.bert.attention import Attention

HEADS, WIDTH = 4, 16


def _expected(joined: torch.Tensor, num_texts: int) -> torch.Tensor:
    query, key, value = joined.float().view(num_texts, -1, 3, HEADS, WIDTH).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(-1, HEADS * WIDTH)


@pytest.mark.parametrize("has_products", [False, True])
@pytest.mark.parametrize(("num_texts", "length"), [(1, 90), (5, 40), (7, 1), (2, 3)])
def test_it_is_softmax_of_scaled_products(
    monkeypatch: pytest.MonkeyPatch, has_products: bool, num_texts: int, length: int
) -> None:
    monkeypatch.setattr(attention, "_FEWEST_SCORES", 10)
    monkeypatch.setattr(attention, "_MOST_SCORES", 2 * HEADS * 40 * 40)  # two texts of 40 tokens at a time, then one
    module = Attention(HEADS, torch.device("cpu"), torch.bfloat16)
    module._has_products = has_products
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # what is left in its memory does not matter
        joined = torch.randn(num_texts * length, 3 * HEADS * WIDTH, generator=generator).bfloat16()
        mixed = torch.full((num_texts * length, HEADS * WIDTH), float("nan"), dtype=torch.bfloat16)
        module(joined, num_texts, mixed)
        torch.testing.assert_close(mixed.float(), _expected(joined, num_texts), atol=0.02, rtol=0.02)


def test_memory_is_kept_and_given_back() -> None:
    module = Attention(HEADS, torch.device("cpu"), torch.bfloat16)
    module._has_products = True
    mixed = torch.empty(100, HEADS * WIDTH, dtype=torch.bfloat16)
    joined = torch.randn(100, 3 * HEADS * WIDTH).bfloat16()
    module(joined, 1, mixed)
    kept = dict(module._memory)
    module(joined, 1, mixed)
    assert kept
    assert all(module._memory[name] is tensor for name, tensor in kept.items())
    module.release_memory()
    assert not module._memory


def test_fp32_is_left_to_the_fused_attention() -> None:
    module = Attention(HEADS, torch.device("cpu"), torch.float32)
    joined = torch.randn(90, 3 * HEADS * WIDTH)
    mixed = torch.empty(90, HEADS * WIDTH)
    module(joined, 1, mixed)
    assert not module._memory
    torch.testing.assert_close(mixed, _expected(joined, 1), atol=1e-6, rtol=0)
