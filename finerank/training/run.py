"""`train`: from examples and a base model to a folder with a better one, its card and its report.

OUTPUT/adapter_config.json, adapter_model.safetensors   what was learned (or a whole checkpoint with method "full")
OUTPUT/README.md         its card        OUTPUT/report.html    before and after, with plots
OUTPUT/training.json     recipe and results
OUTPUT/log.jsonl         a line a step   OUTPUT/heldout/       what it was measured on
OUTPUT/checkpoint/       while it runs: where a run that was killed goes on
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..errors import InputError
from ..evaluation.labelled import PairFields
from ..models.adapter_base import record_base
from ..models.source import DEVICE_BATCH_TOKENS, LoadOptions, weight_files
from ..models.weights_hash import weights_hash
from .backward import Backward
from .card import Card, helped
from .data_report import DataReport
from .dev_score import METRIC, DevScore
from .groups import GroupSampler
from .heldout import FOLDER, HeldOut
from .loading import LoadedTrainee, Lora, load_trainee
from .losses import LOSSES, NEEDS_TEACHER, LossName
from .options import TrainingOptions
from .preparation import Prepared, prepare
from .run_log import RunLog, run_figures
from .run_state import Progress, RunFolder
from .sharing import share_of_processes
from .trainer import Observer, Schedule, Share, Trainer

if TYPE_CHECKING:
    from ..evaluation.types import Evaluation

SUMMARY: Final = "training.json"
_EVALUATIONS: Final = 10
_NOT_OF_THE_RECIPE: Final = ("batch_tokens", "gradient_checkpointing", "save_every")
"""What may change between two parts of a run: the weights do not depend on it."""
_TOKENIZER_FILES: Final = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece")
_RATES: Final = {"yes_no": 1e-4, "cross_encoder": 5e-4}
_RATE_OF_ALL: Final = 1e-5

OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Outcome:
    """What a run made.   evaluation: its stages "before" and "after" over the held-out queries."""

    output: Path
    evaluation: "Evaluation"
    progress: Progress
    data: DataReport
    recipe: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Did it help? In a sentence."""
        return helped(self.evaluation)


def train(
    model: str | None,
    data: Sequence[str | Path],
    output: str | Path,
    options: TrainingOptions | None = None,
    *,
    loading: LoadOptions | None = None,
    split: str | None = None,
    dev: str | Path | None = None,
    dev_split: str | None = None,
    fields: PairFields | None = None,
    observer: Observer | None = None,
    on_progress: OnProgress | None = None,
) -> Outcome | None:
    """Trains `model` on `data` and writes what was learned to `output`; goes on where an earlier run was killed.

    model: as for `Reranker`; None = the embedded one, which learns to read query and document together.
    data: files and folders, see `read_training_data`.   split: of BEIR folders, train if None.
    dev: what it is measured on, a file like those of `data`, or a BEIR folder, whose BM25 results are put in order;
    None = the dev split of `data` if that is one BEIR folder with such, else a tenth of the queries is held out.
    dev_split: of a BEIR folder; None = dev, else test.   fields: what the columns of labelled pairs are called.
    Under `accelerate launch` every process calls this; all but the first get None.
    Raises InputError for data that cannot be read, TrainingError for data or a run that makes no sense, ModelError.
    """
    options = options or TrainingOptions()
    folder = Path(output).expanduser()
    check_output(folder)
    loading = loading or LoadOptions(max_length=options.max_length)
    share = share_of_processes(loading.device)
    if not share.is_first:
        observer, on_progress = None, None
    loading = replace(loading, device=getattr(share, "device", loading.device))
    prepared = prepare(data, folder / FOLDER, options, split=split, dev=dev, dev_split=dev_split, fields=fields)
    prepared.report.refuse_errors()
    lora = Lora(options.rank, options.alpha, options.targets, options.dropout) if options.method == "lora" else None
    loaded = load_trainee(
        model, loading, lora, seed=options.seed, gradient_checkpointing=options.gradient_checkpointing
    )
    run = _Run(loaded, prepared, options, folder)
    progress = run.learn(observer or Observer(), share)
    if not share.is_first:
        return None
    run.save_model()
    evaluation = measure(model, folder, prepared.held_out, loading, on_progress)
    return run.finish(progress, evaluation)


def check_output(folder: Path) -> None:
    """Raises InputError if the folder holds something that is no unfinished run."""
    if folder.is_file():
        raise InputError(f"{folder} is a file; name a folder for what is learned")
    if (folder / SUMMARY).is_file():
        raise InputError(f"{folder} holds a finished run ({SUMMARY}); name another folder, or delete it")
    others = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    if others and not RunFolder(folder).is_begun and not (folder / FOLDER).is_dir():
        raise InputError(f"{folder} holds {others[0]}, which is of no run; name a new or an empty folder")


def measure(
    model: str | None, folder: Path, held_out: HeldOut, loading: LoadOptions, on_progress: OnProgress | None
) -> "Evaluation":
    """The candidates in the order of the base ("before") and of what was trained ("after"), and a paired test."""
    from ..evaluation.evaluator import Contender, compare
    from ..reranker import Reranker

    def loader(name: str | None) -> Callable[[], Reranker]:
        return lambda: Reranker(
            name, device=loading.device, dtype=loading.dtype, max_length=loading.max_length, hub=loading.hub,
            prompt_form=loading.prompt_form, trust_remote_code=loading.trust_remote_code, self_test="off",
        )  # fmt: skip

    return compare(
        held_out.dataset,
        [Contender("before", loader(model)), Contender("after", loader(str(folder)))],
        first_stage=held_out.first_stage,
        depth=max((len(each) for each in held_out.candidates.values()), default=1),
        metrics=(METRIC, "RR@10", "R@10"),
        on_progress=on_progress,
    )


class _Run:
    def __init__(self, loaded: LoadedTrainee, prepared: Prepared, options: TrainingOptions, folder: Path) -> None:
        self._loaded = loaded
        self._prepared = prepared
        self._options = options
        self._folder = folder
        kind = "yes_no" if loaded.source.checkpoint.architecture.startswith("qwen3") else "cross_encoder"
        self._loss: LossName = options.loss or ("likelihood" if kind == "yes_no" else "group")
        rate = _RATES[kind] if options.method == "lora" else _RATE_OF_ALL
        self._rate = rate if options.learning_rate is None else options.learning_rate
        self._batch_tokens = options.batch_tokens or DEVICE_BATCH_TOKENS[loaded.source.device.type]

    @property
    def recipe(self) -> dict[str, Any]:
        """All that the weights depend on."""
        source = self._loaded.source
        return {
            "model": source.name,
            "weights": weights_hash(weight_files(source.checkpoint))[:16],
            **{name: value for name, value in asdict(self._options).items() if name not in _NOT_OF_THE_RECIPE},
            "loss": self._loss,
            "learning_rate": self._rate,
            "dtype": source.dtype.name,
            "finerank": __version__,
        }

    def learn(self, observer: Observer, share: Share) -> Progress:
        options, prepared, trainee = self._options, self._prepared, self._loaded.trainee
        sampler = GroupSampler(
            prepared.examples,
            negatives=options.negatives,
            random_negatives=0 if self._loss in NEEDS_TEACHER else options.random_negatives,
            seed=options.seed,
            fill=self._loss not in NEEDS_TEACHER,
            documents=prepared.documents,
        )
        steps = sampler.num_steps(options.epochs, options.groups)
        steps = steps if options.max_steps is None else min(steps, options.max_steps)
        score = DevScore(
            trainee,
            prepared.held_out.dataset,
            prepared.held_out.candidates,
            batch_tokens=2 * self._batch_tokens,
            seed=options.seed,
        )
        tenth = max(1, steps // _EVALUATIONS)
        # A pass forward is a third of a step's work: measuring shall not take longer than learning.
        pairs = 3 * options.groups * (1 + options.negatives + options.random_negatives)
        rarely = max(tenth, score.num_pairs // pairs)
        schedule = Schedule(
            num_steps=steps,
            learning_rate=self._rate,
            warmup=round(steps * options.warmup),
            groups=options.groups,
            evaluate_every=options.evaluate_every or rarely,
            save_every=options.save_every or tenth,
            patience=options.patience,
            weight_decay=options.weight_decay,
            max_grad_norm=options.max_grad_norm,
        )
        trainer = Trainer(
            trainee,
            sampler,
            Backward(trainee, LOSSES[self._loss], self._batch_tokens),
            schedule,
            RunFolder(self._folder),
            score=score,
            observer=RunLog(self._folder, observer) if share.is_first else None,
            share=share,
        )
        return trainer.run(self.recipe)

    def save_model(self) -> None:
        """In the network's own form: PEFT's adapter, or a checkpoint with its tokenizer."""
        source = self._loaded.source
        network: Any = self._loaded.trainee.network
        if self._options.method == "lora":
            # Whether embeddings were changed PEFT would ask the hub.
            network.save_pretrained(str(self._folder), save_embedding_layers=False)
            record_base(self._folder, source.name, source.checkpoint.path)
        else:
            network.save_pretrained(str(self._folder))
            for file in source.checkpoint.path.iterdir():
                if file.name.startswith(_TOKENIZER_FILES):
                    shutil.copy2(file, self._folder / file.name)

    def finish(self, progress: Progress, evaluation: "Evaluation") -> Outcome:
        from ..evaluation.records import evaluation_record
        from ..evaluation.report import write_report

        folder, prepared = self._folder, self._prepared
        outcome = Outcome(folder, evaluation, progress, prepared.report, self.recipe, prepared.notes)
        Card(
            name=folder.name,
            base=self._loaded.source.name,
            is_adapter=self._options.method == "lora",
            recipe=outcome.recipe | {"steps": progress.step},
            data=prepared.facts,
            evaluation=evaluation,
            notes=prepared.notes,
        ).write(folder / "README.md")
        write_report(evaluation, folder / "report.html", run_figures(progress))
        summary = {
            "recipe": outcome.recipe,
            "verdict": outcome.verdict,
            "steps": progress.step,
            "dev_scores": progress.scores,
            "evaluation": evaluation_record(evaluation),
        }
        (folder / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        RunFolder(folder).clear()
        return outcome
