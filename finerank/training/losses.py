"""What training makes small, for one group: a query with its documents.

All take log-odds z (M,) fp32 of a group's documents and give a scalar. Labels are in [0, 1]: 1 answers the query,
0 does not, graded judgements lie between. A teacher's log-odds are None where one of the documents has none.
"""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor

from ..errors import TrainingError

LossName: TypeAlias = Literal["likelihood", "group", "margin_mse", "distill"]
Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(log-odds, labels, teacher's log-odds), each (M,) -> scalar. Raises TrainingError if the group lacks something."""


def likelihood(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Mean of -log p(answer), the two-way log-softmax of "no" and "yes", whose difference the log-odds are.

    A label between 0 and 1 is the wanted p("yes"): the mean is then the cross-entropy between both.
    """
    return -(labels * F.logsigmoid(log_odds) + (1 - labels) * F.logsigmoid(-log_odds)).mean()


def group(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Cross-entropy of the softmax over the group, against the labels' shares of their sum."""
    total = labels.sum()
    if not total > 0:
        raise TrainingError("no document of the group answers its query; the group loss needs one (or use likelihood)")
    return -(labels / total * F.log_softmax(log_odds, dim=0)).sum()


def margin_mse(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Mean squared error of the margins between documents of a higher and a lower label, against the teacher's margins.

    0 if all labels are equal.
    Hofstätter et al. 2020, "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation".
    """
    wanted = _required(teacher)
    better = labels[:, None] > labels[None, :]
    if not better.any():
        return 0.0 * log_odds.sum()
    margins, teachers = log_odds[:, None] - log_odds[None, :], wanted[:, None] - wanted[None, :]
    return F.mse_loss(margins[better], teachers[better])


def distill(log_odds: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of the softmax over the group from the teacher's."""
    wanted = F.log_softmax(_required(teacher), dim=0)
    return F.kl_div(F.log_softmax(log_odds, dim=0), wanted, reduction="sum", log_target=True)


def _required(teacher: Tensor | None) -> Tensor:
    if teacher is None:
        raise TrainingError(
            "a document of the group has no teacher's score, which this loss needs; give scores for all (finerank mine "
            "keeps them) and draw no random negatives, or use the loss likelihood or group"
        )
    return teacher


LOSSES: Final[dict[str, Loss]] = {
    "likelihood": likelihood,
    "group": group,
    "margin_mse": margin_mse,
    "distill": distill,
}
NEEDS_TEACHER: Final = frozenset({"margin_mse", "distill"})
