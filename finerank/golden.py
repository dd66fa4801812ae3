"""Golden values of the real Qwen3-Reranker-0.6B: what an exact implementation must give.

Source: the tests of sentence-transformers (tests/cross_encoder/test_model.py, Apache-2.0), which took them from the
official code in fp32 with the model card's prompt and default instruction. The four sentences are quoted from there,
as the values mean nothing without them.
"""

from typing import Final

MODEL: Final = "Qwen/Qwen3-Reranker-0.6B"
TOLERANCE: Final = 1e-4
"""In log-odds, fp32."""

QUERY: Final = "Which planet is known as the Red Planet?"
LOG_ODDS_OF: Final = {
    "Venus is often called Earth's twin because of its similar size and proximity.": -3.10930,
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.": 7.12039,
    "Jupiter, the largest planet in our solar system, has a prominent red spot.": -0.37875,
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.": 3.54164,
}
