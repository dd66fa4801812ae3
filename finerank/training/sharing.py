"""One run on several devices: each process takes a part of every step's groups, and gradients are summed.

Started by `accelerate launch` or `torchrun`, whose environment variables say which process this is. All processes must
see the same output folder; the first alone evaluates and writes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import TrainingError
from .trainer import Share

_PATIENCE: Final = timedelta(hours=3)
"""The others wait while the first process evaluates."""
_BUCKET: Final = 16 << 20
"""Numbers that are summed in one message, at least where tensors are small."""


def share_of_processes(device: str = "auto") -> Share:
    """This process's share, as the launcher's environment says; the whole where there is no launcher.

    device: "cpu" keeps the processes off the GPUs.   Raises TrainingError if accelerate is missing.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return Share()
    try:
        from accelerate import Accelerator
        from accelerate.utils import InitProcessGroupKwargs
    except ImportError as error:
        raise TrainingError("a run of several processes needs accelerate: pip install 'finerank[train]'") from error
    return AcceleratedShare(
        Accelerator(cpu=device == "cpu", kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)])
    )


class AcceleratedShare(Share):
    """accelerator: an `accelerate.Accelerator`, after which torch.distributed is ready.

    A process that fails tells the others (see `Trainer`), so that none waits for it.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self.is_first = bool(accelerator.is_main_process)

    @property
    def device(self) -> str:
        """Where this process's network belongs, as `LoadOptions.device`."""
        return str(self._accelerator.device)

    def part(self, count: int) -> range:
        return range(self._accelerator.process_index, count, self._accelerator.num_processes)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        for bucket in _buckets(tensors):
            flat = torch.cat([each.flatten() for each in bucket])
            summed = self._accelerator.reduce(flat, reduction="sum")
            for tensor, part in zip(bucket, torch.split(summed, [each.numel() for each in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def copy_from_first(self, tensors: Sequence[Tensor]) -> None:
        from accelerate.utils import broadcast

        for tensor in tensors:
            tensor.copy_(broadcast(tensor, from_process=0))

    def on_first(self, work: Callable[[], float | None]) -> float:
        failure: Exception | None = None
        answer = torch.zeros(2, dtype=torch.float64, device=self._accelerator.device)
        if self.is_first:
            try:
                answer[0] = work() or 0.0
            except Exception as error:
                failure, answer[1] = error, 1.0
        self.copy_from_first([answer])
        if failure is not None:
            raise failure
        value, failed = answer.tolist()
        if failed:
            raise TrainingError("the first process of this run failed; its message says why")
        return float(value)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one dtype, together up to `_BUCKET` numbers."""
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and (size + tensor.numel() > _BUCKET or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket
