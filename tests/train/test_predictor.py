"""Models saved and loaded: the same bits in another process, and a line for every file that is no model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import chainrule as cr
from chainrule import nn
from chainrule.data import Encoding, Labels, as_table, guess_task
from chainrule.ir.errors import ArgumentError, ChainruleError, FileError, GraphError
from chainrule.train.predictor import Predictor, load, save
from chainrule.train.sealed import read_sealed, write_sealed
from tests.train.small import blobs, full_run, net

TABLE = {
    "weight": [3.5, 1.0, None, 2.0, 4.5, 3.0, 2.5, 1.5] * 4,
    "island": ["a", "b", "a", "b", None, "a", "b", "a"] * 4,
    "kind": [2, 1, 1, 2, 2, 1, 2, 1] * 4,
    "price": [1.5, 2.5, 10.0, 4.0, 3.0, 7.0, 5.5, 2.0] * 4,
}


def on_table(target: str) -> Predictor:
    """A model of a table, not trained."""
    cr.manual_seed(1)
    table = as_table(TABLE)
    features = table.select(["weight", "island"])
    encoding = Encoding.fit(features)
    labels = Labels.fit(
        table[target], guess_task(table[target], "classification" if target == "kind" else "regression")
    )
    model = nn.Sequential(nn.Linear(encoding.width, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, labels.width))
    task = "classification" if labels.classes is not None else "regression"
    return Predictor.of_model(
        model, (encoding.apply(features)[:1],), encoding=encoding, labels=labels, task=task, description={"epoch": 3}
    )


# The same answers


@pytest.mark.parametrize("target", ["kind", "price"])
def test_loaded_models_answer_with_the_same_bits(tmp_path: Path, target: str) -> None:
    predictor = on_table(target)
    file = save(predictor, tmp_path / "run")
    assert file == tmp_path / "run" / "model.safetensors"
    for place in (file, file.parent, str(file)):
        loaded = load(place)
        assert loaded.outputs(TABLE).tobytes() == predictor.outputs(TABLE).tobytes()
        assert loaded.predict(TABLE).tolist() == predictor.predict(TABLE).tolist()
        assert (loaded.task, loaded.classes, loaded.columns) == (predictor.task, predictor.classes, predictor.columns)
        assert loaded.description == {"epoch": 3}
        assert repr(loaded) == repr(predictor)


def test_labels_keep_their_type_and_probabilities_their_order(tmp_path: Path) -> None:
    loaded = load(save(on_table("kind"), tmp_path))
    assert loaded.classes == (1, 2)
    assert loaded.predict(TABLE).dtype == np.int64
    shares = loaded.predict_proba(TABLE)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert [loaded.classes[k] for k in shares.argmax(1)] == loaded.predict(TABLE).tolist()
    with pytest.raises(ArgumentError, match="answers with numbers"):
        on_table("price").predict_proba(TABLE)


def test_tables_come_in_many_forms(tmp_path: Path) -> None:
    predictor = on_table("price")
    expected = predictor.outputs({"island": ["a", "b"], "weight": [1.0, 2.0]})
    (tmp_path / "more.csv").write_text("island;weight\na;1,0\nb;2,0\n")
    assert np.array_equal(predictor.outputs(tmp_path / "more.csv"), expected)
    with pytest.raises(ArgumentError, match="'weight'"):
        predictor.outputs({"island": ["a"]})
    assert "unseen category" in predictor.check({"island": ["z"], "weight": [1.0]})[0]
    with pytest.raises(ArgumentError, match=r"reads 2 columns \(weight, island\), not an array of shape \[3, 3\]"):
        predictor.outputs(np.zeros((3, 3)))


SCRIPT = """
import sys
import numpy as np
import chainrule as cr
model = cr.load(sys.argv[1])
sys.stdout.buffer.write(model.outputs(np.load(sys.argv[2])).tobytes())
"""


def test_another_process_gives_the_same_bits_without_the_users_file(tmp_path: Path) -> None:
    (tmp_path / "user_model.py").write_text(
        "from chainrule import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Linear(4, 9)\n        self.b = nn.Linear(9, 2)\n"
        "    def forward(self, x):\n        return self.b(nn.functional.gelu(self.a(x)) * 2)\n"
    )
    namespace: dict[str, Any] = {"__name__": "user_model"}
    exec(compile((tmp_path / "user_model.py").read_text(), str(tmp_path / "user_model.py"), "exec"), namespace)
    x = np.random.default_rng(0).normal(size=(700, 4)).astype(np.float32)
    predictor = Predictor.of_model(namespace["Net"](), (x,))
    predictor.save(tmp_path / "run")
    (tmp_path / "user_model.py").unlink()
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), str(tmp_path / "x.npy")]
    found = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert found.stdout == predictor.outputs(x).tobytes()


def test_modules_are_saved_with_an_example(tmp_path: Path) -> None:
    model = net()
    with pytest.raises(ArgumentError, match="example="):
        save(model, tmp_path)
    x = np.ones((2, 4), np.float32)
    assert load(save(model, tmp_path / "a.safetensors", example=x)).predict(x).shape == (2, 3)
    with pytest.raises(ArgumentError, match="not int"):
        save(5, tmp_path)


def test_safetensors_readers_find_the_names_and_shapes_of_the_state_dict(tmp_path: Path) -> None:
    model = net()
    tensors = load_file(save(model, tmp_path, example=np.ones((1, 4), np.float32)))
    assert {name: value.shape for name, value in tensors.items()} == {
        name: tuple(value.shape) for name, value in model.state_dict().items()
    }
    other = net()
    other.load_state_dict(load(tmp_path).state_dict())
    assert all(np.array_equal(other.state_dict()[name].numpy(), value) for name, value in tensors.items())


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: cr.Tensor) -> Any:
        return self.linear(x) if float(x.sum()) > 0 else x


def test_a_forward_that_cannot_be_traced_keeps_its_weights_and_says_why(tmp_path: Path) -> None:
    x = np.ones((2, 4), np.float32)
    predictor = Predictor.of_model(Branching(), (x,))
    assert predictor.predict(x).shape == (2, 3)  # in memory
    with pytest.warns(UserWarning, match="only the weights are saved, for the forward cannot be traced: .*float"):
        save(predictor, tmp_path)
    loaded = load(tmp_path)
    assert not loaded.traced
    assert loaded.state_dict()["linear.weight"].shape == (3, 4)
    with pytest.raises(ArgumentError, match="cannot be traced"):
        loaded.predict(x)


def test_runs_are_saved_and_answer_with_the_same_bits(tmp_path: Path) -> None:
    run = full_run(epochs=1)
    x = blobs(50, 5)[0]
    loaded = load(save(run, tmp_path))
    assert loaded.task == "classification"
    assert loaded.outputs(x).tobytes() == run.outputs(x).tobytes()
    assert loaded.predict(x).tolist() == run.predict(x).tolist()
    assert loaded.predict_proba(x).tobytes() == run.predict_proba(x).tobytes()


# Files that are no models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(on_table("kind"), tmp_path)
    return tmp_path


def refused(place: Path) -> str:
    with pytest.raises(FileError) as caught:
        load(place)
    assert "\n" not in caught.value.message
    assert str(place) in caught.value.message
    return caught.value.message


def changed(folder: Path, change: Callable[[dict[str, Any]], object], tensors: Any = None) -> str:
    """What is said of a file whose words were changed, and which was sealed again: hostile, not damaged."""
    held = read_sealed(folder / "model.safetensors")
    content = json.loads(held.words["model"])
    change(content)
    words = {**held.words, "model": json.dumps(content)}
    write_sealed(folder / "model.safetensors", held.tensors if tensors is None else tensors(held.tensors), words)
    return refused(folder)


def test_flipped_bytes_are_found(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    for position in range(0, len(whole), 41):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        refused(folder)


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    assert "holds no model: model.safetensors is missing." in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "missing")
    (tmp_path / "run.json").write_text('{"format": 1, "status": "finished"}')
    assert refused(tmp_path).endswith("model.safetensors is missing.")
    (tmp_path / "run.json").write_text('{"format": 1, "status": "running"}')
    assert f"was not finished: chainrule resume {tmp_path}." in refused(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 9}')
    assert "has format 9; this version reads 1" in refused(tmp_path)
    (tmp_path / "run.json").write_text("[" * 100_000)
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    assert "has format None" in refused(tmp_path)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("chainrule model 2", "has format 'chainrule model 2'; this version reads 'chainrule model 1'"),
        ("chainrule checkpoint 1", "holds no model (it is a checkpoint)"),
        ("", "holds no model."),
    ],
)
def test_other_formats(folder: Path, form: str, message: str) -> None:
    held = read_sealed(folder / "model.safetensors")
    write_sealed(folder / "model.safetensors", held.tensors, {**held.words, "format": form})
    assert message in refused(folder)


def with_graph(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        assert old in content["forward"]["graph"]
        content["forward"]["graph"] = content["forward"]["graph"].replace(old, new)

    return change


def twice_given(content: dict[str, Any]) -> None:
    content["forward"]["graph"] = re.sub(r"tanh\((%\d+)\)", r"tanh(\1, \1)", content["forward"]["graph"])


HUGE = """graph(%0 x0: f32[256, 6]) {
  %1 = full(; dtype=f32, shape=(256, 1000000000000), value=1.0) : f32[256, 1000000000000]
  return %1
}"""


def with_constant(shape: list[int], data: str) -> Callable[[dict[str, Any]], object]:
    constant = {"dtype": "f32", "shape": shape, "data": data}
    return lambda content: content["forward"].update(constants={"c": constant})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_graph("tanh(", "tanhh("), "there is no primitive tanhh"),
        (with_graph("tanh(", "__import__("), "there is no primitive __import__"),
        (twice_given, "tanh is not called like that: it takes 1 operands"),
        (with_graph("graph(", "graf("), "expected 'graph'"),
        (with_graph("f32[256, 8]", "f32[256, 9]"), "type rule"),
        (lambda content: content["forward"].update(graph=HUGE), "bytes of memory, more than a model of its size may"),
        (lambda content: content["forward"].update(graph="(" * 200_000), "expected 'graph'"),
        (lambda content: content["forward"].update(rows=255), "its result must have 255 rows"),
        (lambda content: content["forward"].update(rows=None), "damaged"),
        (lambda content: content["forward"].update(inputs=[]), "inputs and 1 outputs"),
        (lambda content: content["forward"]["inputs"][1].__setitem__(1, "0.bias"), "must be f32"),
        (lambda content: content["forward"]["inputs"][1].__setitem__(1, "gone"), "is not there"),
        (lambda content: content["forward"]["inputs"][0].__setitem__(1, "1"), r"its arguments are numbered [1]"),
        (with_constant([1 << 60], ""), "a constant has 0 bytes"),
        (with_constant([1], "?"), "does not understand"),
        (lambda content: content.update(forward=7), "damaged"),
        (lambda content: content["forward"].update(constants=[]), "damaged"),
        (lambda content: content["labels"].update(classes=[1, "x"]), "its labels are no int64"),
        (lambda content: content.pop("task"), "damaged"),
        (lambda content: content["encoding"].update(format=9), "format 9"),
        (lambda content: content["encoding"]["columns"].pop(), "features, its model takes"),
        (lambda content: content["labels"]["classes"].append(3), "its labels read 3 outputs"),
        (lambda content: content["labels"].pop("name"), "labels are damaged"),
    ],
    ids=range(23),
)  # fmt: skip
def test_hostile_words_are_refused_in_a_line(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert message in changed(folder, change)


def test_a_graph_that_only_running_finds_wrong_is_said(tmp_path: Path) -> None:
    file = save(nn.Linear(4, 2), tmp_path, example=np.ones((1, 4), np.float32))
    held = read_sealed(file)
    content = json.loads(held.words["model"])
    graph = content["forward"]["graph"]
    content["forward"]["graph"] = re.sub(
        r"%3 = .*\n  return %3", '%3 = full(; dtype=f32, shape=(256, 2), value="no") : f32[256, 2]\n  return %3', graph
    )
    assert content["forward"]["graph"] != graph
    write_sealed(file, held.tensors, {**held.words, "model": json.dumps(content)})
    with pytest.raises(GraphError, match="the model's graph cannot be run"):
        load(file).outputs(np.ones((1, 4), np.float32))


def test_tensors_of_another_shape_are_refused(folder: Path) -> None:
    def transposed(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: value.T for name, value in tensors.items()}

    assert "must be f32[8," in changed(folder, lambda content: None, transposed)


def test_a_full_disk_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FileError, match="no space left on device"):
        on_table("price").save(folder)
    monkeypatch.undo()
    assert load(folder).task == "classification"


def test_errors_are_of_one_class() -> None:
    assert issubclass(FileError, ChainruleError)
