"""Gradients of a step, in pieces that fit: the same sum whatever the pieces are."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..errors import TrainingError
from .groups import Group
from .losses import Loss
from .trainee import TokenSequence, Trainee


class Backward:
    """Adds a step's gradients to the trainee's parameters.

    batch_tokens: most tokens that go through the network with gradients at once. A group that takes more goes through
    twice: once for its log-odds, then piece by piece with the loss's gradient by them, which gives the same sum.
    With dropout what is dropped depends on the pieces, yet is the same both times.
    """

    def __init__(self, trainee: Trainee, loss: Loss, batch_tokens: int) -> None:
        self._trainee = trainee
        self._loss = loss
        self.batch_tokens = batch_tokens

    def step(
        self, groups: Sequence[Group], encoded: Sequence[list[TokenSequence]], total: int, *, seed: int = 0
    ) -> list[float]:
        """The loss of each group. The gradients of their sum / `total` are added to the parameters'.

        seed: of dropout.   Raises TrainingError for a group that lacks what the loss needs.
        """
        losses: list[float] = []
        for batch in self._batches(encoded):
            sequences = [sequence for number in batch for sequence in encoded[number]]
            if len(batch) == 1 and _num_tokens(sequences) > self.batch_tokens:
                losses.append(self._in_pieces(groups[batch[0]], sequences, total, seed + len(losses)))
                continue
            torch.manual_seed(seed + len(losses))
            log_odds = torch.split(self._trainee.log_odds(sequences), [len(encoded[number]) for number in batch])
            each = torch.stack([self._loss_of(groups[number], of) for number, of in zip(batch, log_odds, strict=True)])
            torch.autograd.backward([each.sum() / total])
            losses += each.tolist()
        return losses

    def _in_pieces(self, group: Group, sequences: Sequence[TokenSequence], total: int, seed: int) -> float:
        pieces = list(_pieces(sequences, self.batch_tokens))
        with torch.no_grad():
            log_odds = torch.cat([self._seeded(piece, seed + number) for number, piece in enumerate(pieces)])
        log_odds.requires_grad_()
        loss = self._loss_of(group, log_odds)
        (gradient,) = torch.autograd.grad(loss / total, log_odds)
        parts = torch.split(gradient, [len(piece) for piece in pieces])
        for number, (piece, part) in enumerate(zip(pieces, parts, strict=True)):
            torch.autograd.backward([self._seeded(piece, seed + number)], [part])
        return float(loss.detach())

    def _seeded(self, piece: Sequence[TokenSequence], seed: int) -> Tensor:
        torch.manual_seed(seed)
        return self._trainee.log_odds(piece)

    def _loss_of(self, group: Group, log_odds: Tensor) -> Tensor:
        labels = log_odds.new_tensor([each.label for each in group.candidates])
        teachers = [each.teacher for each in group.candidates if each.teacher is not None]
        teacher = log_odds.new_tensor(teachers) if len(teachers) == len(labels) else None
        try:
            return self._loss(log_odds, labels, teacher)
        except TrainingError as error:
            raise TrainingError(f"{group.name}: {error}") from None

    def _batches(self, encoded: Sequence[list[TokenSequence]]) -> Iterator[list[int]]:
        """Numbers of the groups that go through together."""
        batch: list[int] = []
        used = 0
        for number, sequences in enumerate(encoded):
            size = _num_tokens(sequences)
            if batch and used + size > self.batch_tokens:
                yield batch
                batch, used = [], 0
            batch.append(number)
            used += size
        if batch:
            yield batch


def _num_tokens(sequences: Sequence[TokenSequence]) -> int:
    return sum(len(each.ids) for each in sequences)


def _pieces(sequences: Sequence[TokenSequence], batch_tokens: int) -> Iterator[list[TokenSequence]]:
    """In order, each within the budget or of one sequence."""
    piece: list[TokenSequence] = []
    used = 0
    for sequence in sequences:
        if piece and used + len(sequence.ids) > batch_tokens:
            yield piece
            piece, used = [], 0
        piece.append(sequence)
        used += len(sequence.ids)
    if piece:
        yield piece
