import pytest
import torch
import torch.nn.functional as F

from finerank.models.qwen3.linear import PackedLinear, PlainLinear, can_pack, make_linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_rows", [1, 3, 64, 513])
def test_packed_equals_plain(dtype: torch.dtype, num_rows: int) -> None:
    if not can_pack(dtype):
        pytest.skip(f"this torch has no packed product for {dtype}")
    torch.manual_seed(0)
    x, factor = torch.randn(num_rows, 48).to(dtype), torch.randn(num_rows, 80).to(dtype)
    weight = (torch.randn(80, 48) * 0.2).to(dtype)
    product = F.linear(x.double(), weight.double())
    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    for linear in (PackedLinear(weight), PlainLinear(weight)):
        for result, expected in (
            (linear(x), product),
            (linear.silu(x), F.silu(product)),
            (linear.times(x, factor), product * factor.double()),
        ):
            assert result.dtype == dtype
            torch.testing.assert_close(result.double(), expected, rtol=tolerance, atol=tolerance)


def test_fp16_on_a_cpu_is_plain() -> None:
    assert isinstance(make_linear(torch.zeros(8, 8, dtype=torch.float16)), PlainLinear)
