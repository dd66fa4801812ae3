"""Gradients of a step, in pieces that fit: the same sum whatever the pieces are."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .groups import Group
from .losses import Loss
from .trainee import TokenSequence, Trainee


class Backward:
    """Adds a step's gradients to the trainee's parameters.

    batch_tokens: most tokens that go through the network with gradients at once. A group that takes more goes through
    twice: once for its log-odds, then piece by piece with the loss's gradient by them, which gives the same sum.
    """

    def __init__(self, trainee: Trainee, loss: Loss, batch_tokens: int) -> None:
        self._trainee = trainee
        self._loss = loss
        self.batch_tokens = batch_tokens

    def step(self, groups: Sequence[Group], encoded: Sequence[list[TokenSequence]], total: int) -> float:
        """Loss of these groups as a share of the mean over `total`; its gradients are in the parameters."""
        sum_of_losses = 0.0
        for batch in self._batches(encoded):
            sequences = [sequence for number in batch for sequence in encoded[number]]
            if len(batch) == 1 and _num_tokens(sequences) > self.batch_tokens:
                sum_of_losses += self._in_pieces(groups[batch[0]], sequences, total)
                continue
            log_odds = self._trainee.log_odds(sequences).split([len(encoded[number]) for number in batch])
            losses = [self._loss_of(groups[number], of) for number, of in zip(batch, log_odds, strict=True)]
            loss = torch.stack(losses).sum() / total
            loss.backward()
            sum_of_losses += float(loss.detach())
        return sum_of_losses

    def _in_pieces(self, group: Group, sequences: Sequence[TokenSequence], total: int) -> float:
        pieces = list(_pieces(sequences, self.batch_tokens))
        with torch.no_grad():
            log_odds = torch.cat([self._trainee.log_odds(piece) for piece in pieces])
        log_odds.requires_grad_()
        loss = self._loss_of(group, log_odds) / total
        (gradient,) = torch.autograd.grad(loss, log_odds)
        for piece, of in zip(pieces, gradient.split([len(piece) for piece in pieces]), strict=True):
            self._trainee.log_odds(piece).backward(of)
        return float(loss.detach())

    def _loss_of(self, group: Group, log_odds: Tensor) -> Tensor:
        labels = log_odds.new_tensor([each.label for each in group.candidates])
        teachers = [each.teacher for each in group.candidates]
        teacher = None if None in teachers else log_odds.new_tensor(teachers)
        return self._loss(log_odds, labels, teacher)

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
    for sequence in sequences:
        if piece and _num_tokens(piece) + len(sequence.ids) > batch_tokens:
            yield piece
            piece = []
        piece.append(sequence)
    if piece:
        yield piece
