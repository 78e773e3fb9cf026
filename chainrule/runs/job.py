"""A run whole: what `chainrule train` and `chainrule resume` do."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule import nn
from chainrule.executor import get_executor
from chainrule.ir.errors import ArgumentError, ChainruleError, DivergedError
from chainrule.runs import predictions
from chainrule.runs.baselines import INSTALL, trees_installed
from chainrule.runs.build import build_model, fit_arguments
from chainrule.runs.config import RunConfig
from chainrule.runs.events import RunFinished, RunPlanned
from chainrule.runs.folder import new_folder, read_run
from chainrule.runs.judge import Judge, Judged
from chainrule.runs.lines import Lines
from chainrule.runs.measures import METRIC
from chainrule.runs.prepare import Prepared, prepare
from chainrule.runs.record import cpu_level, first_record, write_json
from chainrule.runs.settings import Setting, settle
from chainrule.threads import set_num_threads
from chainrule.train.checkpoint import steps_in
from chainrule.train.events import Event, Note
from chainrule.train.files import FolderLock, remove_parts, write_whole
from chainrule.train.fit import fit
from chainrule.train.lr_finding import Curve, lr_find
from chainrule.train.predictor import Predictor
from chainrule.train.run import Run

CHECKPOINTS = "checkpoints"
FINDER_TAKES = ("loss", "optimizer", "batch_size", "class_weight", "l1", "clip", "compile", "seed")
Listener = Callable[[Event], object]
TREES_SECONDS = 20.0  # training that took so long does not notice the seconds that trees take


@dataclass(frozen=True, eq=False)
class RunResult:
    """What came of a run."""

    folder: Path
    record: dict[str, Any]  # run.json


class Job:
    """One run: its data, settings, model and folder."""

    def __init__(
        self, config: RunConfig, prepared: Prepared, settings: dict[str, Setting], listeners: Sequence[Listener]
    ) -> None:
        self.config = config
        self.prepared = prepared
        self.settings = settings
        self.listeners = list(listeners)
        self.model: nn.Module = build_model(settings, prepared)
        self.arguments = fit_arguments(self.model, settings, prepared)

    def tell(self, event: Event) -> None:
        """Tells all listeners."""
        for listener in self.listeners:
            listener(event)

    def plan(self, folder: Path, command: list[str]) -> dict[str, Any]:
        """The first content of run.json; says what will be done."""
        record = first_record(self.config, self.prepared, self.settings, self.model, command)
        planned = RunPlanned(
            source=self.config.source,
            folder=str(folder),
            task=record["task"],
            target=record["target"],
            classes=None if record["classes"] is None else list(record["classes"]),
            data=record["data"],
            settings=record["config"],
            parameters=record["model"]["parameters"],
            notes=list(self.prepared.notes),
        )
        self.tell(planned)
        return record

    def train(self, folder: Path, resume: bool) -> Run:
        """Trains the model, or goes on with that; checkpoints and records go into the folder."""
        with closing(Lines(folder)) as lines:
            return self.fit(folder, lines, resume)

    def fit(self, folder: Path, lines: Lines, resume: bool) -> Run:
        """The call of `fit`."""
        train, valid = self.prepared.train, self.prepared.valid
        return fit(
            self.model,
            (train.x, train.y),
            (valid.x, valid.y) if len(valid) else None,
            callbacks=[lines, *self.listeners],
            checkpoints=folder / CHECKPOINTS,
            resume=resume,
            watch=True,
            show=False,
            **self.arguments,
        )

    def save(self, folder: Path, run: Run | None = None) -> None:
        """Saves the model with its preprocessing."""
        prepared = self.prepared
        model = Predictor.of_model(self.model, (prepared.train.x[:1],)) if run is None else run.predictor
        description = {"source": self.config.source, "target": prepared.target}
        predictor = model.of_tables(
            prepared.encoding, prepared.labels, task=prepared.task.kind, description=description
        )
        if predictor.untraced:
            self.tell(Note(text=f"only the weights are saved, `predict` needs more: {predictor.untraced}"))
        predictor.save(folder)

    def judge(self, run: Run) -> Judged:
        """Tests the model, and what it is compared with."""
        asked = self.config.trees
        with_trees = asked if asked is not None else run.seconds > TREES_SECONDS
        return Judge(self.prepared).judge(run.outputs, with_trees, self.config.seed)

    def carry_out(self, folder: Path, record: dict[str, Any], resume: bool) -> RunResult:
        """Trains, tests, saves. Whatever stops it, run.json says so, and the weights so far are kept."""
        try:
            run = self.train(folder, resume)
        except DivergedError as error:
            self.save(folder)
            self.close(folder, record, "diverged", {"what": error.message, "step": error.step, "epoch": error.epoch})
            raise
        except (ChainruleError, OSError, KeyboardInterrupt):
            if steps_in(folder / CHECKPOINTS):
                self.tell(Note(text=f"what was done is in {folder}; go on with it: chainrule resume {folder}"))
            raise
        except SystemExit:  # a signal asked the process to end
            self.save(folder)
            self.close(folder, record, "interrupted", {})
            raise
        self.save(folder, run)
        if run.stopped == "interrupted":
            return self.close(folder, record, "interrupted", summary(run))
        judged = self.judge(run)
        write_json(folder / "evaluation.json", judged.evaluation)
        write_whole(folder / "test_predictions.csv", [test_predictions(self.prepared, judged).encode()])
        return self.close(folder, record, "finished", {**figures(judged), **summary(run)})

    def close(self, folder: Path, record: dict[str, Any], status: str, result: dict[str, Any]) -> RunResult:
        """Writes how the run ended, and tells it."""
        record = {**record, "status": status, "result": result}
        write_json(folder / "run.json", record)
        metric = METRIC[self.prepared.task.kind]
        self.tell(
            RunFinished(status=status, source=self.config.source, folder=str(folder), metric=metric, result=result)
        )
        return RunResult(folder, record)


def summary(run: Run) -> dict[str, Any]:
    """What run.json says of the training itself."""
    return {
        "best_epoch": run.best_epoch,
        "epochs": len(run.history),
        "stopped": run.stopped,
        "seconds": run.seconds,
    }


def figures(judged: Judged) -> dict[str, Any]:
    """What run.json says of the tests."""
    return {
        "metric": judged.evaluation["metric"],
        "part": judged.part,
        "test": judged.figures.get("test"),
        "validation": judged.figures.get("validation"),
        "train": judged.figures.get("train"),
        "baselines": judged.rivals,
    }


def train_run(
    config: RunConfig, listeners: Sequence[Listener] = (), *, out: str | None = None, command: Sequence[str] = ()
) -> RunResult:
    """Trains, tests and saves what the options ask for. Nothing is left of a run that could not begin.

    ArgumentError for bad input, DivergedError where the loss is no number, FileError where nothing can be written.
    """
    if config.trees and not trees_installed():
        raise ArgumentError(f"--trees needs scikit-learn: {INSTALL}")
    if config.threads is not None:
        set_num_threads(config.threads)
    prepared = prepare(config)
    settings = settle(config, len(prepared.train), prepared.encoding.width, prepared.task.kind)
    job = Job(config, prepared, settings, listeners)
    folder = new_folder(config.source, out)
    try:
        with FolderLock(folder):
            record = job.plan(folder, list(command))
            write_json(folder / "run.json", record)
            return job.carry_out(folder, record, resume=False)
    except DivergedError:
        raise
    except BaseException:
        if not steps_in(folder / CHECKPOINTS):
            clear(folder, keep=out is not None)
        raise


def clear(folder: Path, keep: bool) -> None:
    """Removes what a run that could not begin has written; the folder too, unless it may be the user's own."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def resume_run(folder: Path, listeners: Sequence[Listener] = ()) -> RunResult:
    """Goes on with a run that was stopped or killed, with the same bits as if it had not been.

    ArgumentError if it is finished, no run's folder, or its files have changed; FileError if another process has it.
    """
    record = read_run(folder)
    if record["status"] in ("finished", "diverged"):
        raise ArgumentError(f"{folder} has {record['status']}, so there is nothing to go on with.")
    config, stored, files = stored_run(folder, record)
    if config.threads is not None:
        set_num_threads(config.threads)
    with FolderLock(folder):
        remove_parts(folder)  # of a process that was killed while it wrote
        job = Job(config, prepare(config, files), stored, listeners)
        for name, now in (("executor", get_executor()), ("cpu_level", cpu_level())):
            if record[name] != now:
                job.tell(Note(text=f"the run began on {record[name]} and goes on on {now}: the last bits will differ"))
        return job.carry_out(folder, record, resume=True)


def stored_run(folder: Path, record: dict[str, Any]) -> tuple[RunConfig, dict[str, Setting], dict[str, str]]:
    """The options, the settings and the fingerprints of the files that run.json holds."""
    try:
        config = RunConfig.from_dict(record["options"])
        stored = {name: Setting(tupled(one["value"]), one["why"]) for name, one in record["config"].items()}
        return config, stored, dict(record["data"]["files"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(f"{folder / 'run.json'} is damaged: it lacks or misstates {error}.") from None


def add_trees(folder: Path) -> None:
    """Compares a finished run with gradient-boosted trees, if scikit-learn is installed and it was not done yet.

    ArgumentError if the run's files have changed or are gone.
    """
    record = read_run(folder)
    rivals = record.get("result", {}).get("baselines") or []
    if record["status"] != "finished" or not trees_installed() or any(one["value"] for one in rivals[2:]):
        return
    config, _, files = stored_run(folder, record)
    with FolderLock(folder):
        judge = Judge(prepare(config, files))
        result = {**record["result"], "baselines": [*rivals[:2], judge.entry(judge.trees(config.seed))]}
        write_json(folder / "run.json", {**record, "result": result})


def find_rate(config: RunConfig) -> Curve:
    """The loss at ever larger learning rates, for what `train_run` would train with these options. Writes nothing."""
    if config.threads is not None:
        set_num_threads(config.threads)
    prepared = prepare(config)
    settings = settle(config, len(prepared.train), prepared.encoding.width, prepared.task.kind)
    model = build_model(settings, prepared)
    arguments = fit_arguments(model, settings, prepared)
    taken = {name: arguments[name] for name in FINDER_TAKES}
    return lr_find(model, (prepared.train.x, prepared.train.y), **taken)


def tupled(value: Any) -> Any:
    """A list of JSON as the tuple that it was."""
    return tuple(value) if isinstance(value, list) else value


def test_predictions(prepared: Prepared, judged: Judged) -> str:
    """What the model says of the rows that it was tested on, beside the truth, as CSV."""
    rows = judged.rows
    truth = prepared.table[prepared.target].take(rows).native()
    classes = prepared.classes
    predicted = judged.predicted.tolist() if classes is None else [classes[k] for k in judged.predicted.argmax(1)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(predictions.header(["row", prepared.target], classes))
    writer.writerows(
        predictions.rows_of([rows.tolist(), truth], predicted, None if classes is None else judged.predicted)
    )
    return text.getvalue()
