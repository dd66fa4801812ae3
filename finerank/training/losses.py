"""What training makes small, for one group: a query with its documents.

All take log-odds z (M,) fp32 of a group's documents and give a scalar. Labels are in [0, 1]: 1 answers the query,
0 does not, graded judgements lie between.
"""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor

LossName: TypeAlias = Literal["likelihood", "group", "margin_mse", "distill"]
Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(log-odds, labels, teacher's log-odds), each (M,) -> scalar."""


def likelihood(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Mean of -log p(answer), the two-way log-softmax of "no" and "yes", whose difference the log-odds are."""
    return -(labels * F.logsigmoid(log_odds) + (1 - labels) * F.logsigmoid(-log_odds)).mean()


def group(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Cross-entropy of the softmax over the group, against the labels' shares of their sum."""
    return -(labels / labels.sum() * F.log_softmax(log_odds, dim=0)).sum()


def margin_mse(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Mean squared error of the margins between documents that answer and others, against the teacher's margins.

    Hofstätter et al. 2020, "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation".
    """
    assert teacher is not None
    better = labels[:, None] > labels[None, :]
    margins, wanted = log_odds[:, None] - log_odds[None, :], teacher[:, None] - teacher[None, :]
    return F.mse_loss(margins[better], wanted[better])


def distill(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of the softmax over the group from the teacher's."""
    assert teacher is not None
    return F.kl_div(F.log_softmax(log_odds, dim=0), F.log_softmax(teacher, dim=0), reduction="sum", log_target=True)


LOSSES: Final[dict[str, Loss]] = {
    "likelihood": likelihood,
    "group": group,
    "margin_mse": margin_mse,
    "distill": distill,
}
NEEDS_TEACHER: Final = frozenset({"margin_mse", "distill"})
