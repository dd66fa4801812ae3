"""How a model is trained, as options of `finerank train`."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from ..training.options import TrainingOptions

DATA_PANEL: Final = "Data"
LEARNING_PANEL: Final = "Learning"
LORA_PANEL: Final = "LoRA"
COST_PANEL: Final = "Cost"


def option(panel: str, *names: str, **more: Any) -> Any:
    """A flag in one of the panels of the help."""
    return typer.Option(*names, rich_help_panel=panel, **more)


@dataclass(frozen=True, slots=True)
class Learning:
    """The fields of `TrainingOptions`, as the command line has them."""

    method: Annotated[
        Literal["lora", "full"],
        option(LEARNING_PANEL, "--method", help="lora trains small updates, full every weight."),
    ] = "lora"
    loss: Annotated[
        Literal["likelihood", "group", "margin_mse", "distill"] | None,
        option(
            LEARNING_PANEL,
            "--loss",
            help="likelihood of yes and no; group: softmax over a query's documents; others: a teacher's scores.",
            show_default="likelihood for Qwen3, group for classic ones",
        ),
    ] = None
    learning_rate: Annotated[
        float | None,
        option(
            LEARNING_PANEL, "--learning-rate", "--lr", help="Its highest.", show_default="1e-4 or 5e-4; 1e-5 with full"
        ),
    ] = None
    epochs: Annotated[float, option(LEARNING_PANEL, "--epochs", help="How often each positive is seen.")] = 1.0
    max_steps: Annotated[int | None, option(LEARNING_PANEL, "--max-steps", min=1, show_default="none")] = None
    groups: Annotated[
        int, option(LEARNING_PANEL, "--groups", min=1, help="Positives of a step, each with negatives.")
    ] = 16
    negatives: Annotated[
        int, option(LEARNING_PANEL, "--negatives", min=0, help="Of the query's own, for a positive.")
    ] = 7
    random_negatives: Annotated[
        int, option(LEARNING_PANEL, "--random-negatives", min=0, help="From anywhere, besides those.")
    ] = 1
    warmup: Annotated[float, option(LEARNING_PANEL, "--warmup", min=0.0, max=0.99, help="Share of the steps.")] = 0.1
    weight_decay: Annotated[float, option(LEARNING_PANEL, "--weight-decay", min=0.0)] = 0.0
    evaluate_every: Annotated[
        int | None,
        option(LEARNING_PANEL, "--evaluate-every", min=1, help="Steps.", show_default="a tenth of all, or more"),
    ] = None
    patience: Annotated[
        int,
        option(LEARNING_PANEL, "--patience", min=0, help="Evaluations without a gain that end the run; 0 never does."),
    ] = 3
    eval_queries: Annotated[
        int, option(LEARNING_PANEL, "--eval-queries", min=1, help="Held-out ones to measure on.")
    ] = 100
    eval_depth: Annotated[int, option(LEARNING_PANEL, "--eval-depth", min=2, help="Documents of each of them.")] = 20
    seed: Annotated[int, option(LEARNING_PANEL, "--seed", min=0)] = 0
    rank: Annotated[int, option(LORA_PANEL, "--rank", "-r", min=1)] = 16
    alpha: Annotated[float, option(LORA_PANEL, "--alpha", help="Updates count alpha / rank.")] = 32.0
    targets: Annotated[
        str, option(LORA_PANEL, "--targets", help="Linear layers, separated by commas.", show_default="all of them")
    ] = ""
    dropout: Annotated[float, option(LORA_PANEL, "--dropout", min=0.0, max=0.9)] = 0.0
    max_length: Annotated[int, option(COST_PANEL, "--max-length", min=16, max=32_768, help="Tokens of a prompt.")] = (
        1024
    )
    batch_tokens: Annotated[
        int | None,
        option(
            COST_PANEL,
            "--batch-tokens",
            min=64,
            help="At once; fewer need less memory, nothing else.",
            show_default="by device",
        ),
    ] = None
    gradient_checkpointing: Annotated[
        bool | None,
        option(
            COST_PANEL,
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Less memory, a third slower.",
            show_default="on for Qwen3",
        ),
    ] = None
    save_every: Annotated[
        int | None, option(COST_PANEL, "--save-every", min=1, help="Steps.", show_default="a tenth of all")
    ] = None

    @property
    def options(self) -> "TrainingOptions":
        """Raises SettingsError for a value that cannot be used."""
        from ..training.options import TrainingOptions

        targets = tuple(name.strip() for name in self.targets.split(",") if name.strip())
        return TrainingOptions(**(asdict(self) | {"targets": targets, "patience": self.patience or None}))
