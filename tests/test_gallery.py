"""Known systems built from the core equal their references; files added to the gallery are found.

A file defines `difference() -> float`, the largest distance to its reference in fp64, and `main() -> None`,
which prints two or three lines; one has the words "largest difference" and ends with the number. Where it also has `nested(knob)` and `reference(knob)`, each with a default, a nest with
its knob off by 1 % must be told from the reference.
"""

import importlib.util
import inspect
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "examples" / "gallery").glob("*.py"))
EXPECTED = {
    "adam",
    "fast_weights",
    "hope_block",
    "hypernetwork",
    "linear_attention",
    "looped_block",
    "maml",
    "momentum",
    "sgd",
    "transformer_block",
}
TOLERANCE = 1e-10
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gallery_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gap(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    assert one.dtype == other.dtype == torch.float64
    return float((one - other).abs().max())


def test_the_gallery_is_complete() -> None:
    assert {path.stem for path in FILES} >= EXPECTED


@every_file
def test_equals_its_reference_in_double_precision(path: Path) -> None:
    difference = load(path).difference()
    assert isinstance(difference, float)
    assert math.isfinite(difference)
    assert difference < TOLERANCE


@pytest.mark.parametrize("path", [p for p in FILES if p.stem in EXPECTED], ids=lambda path: path.stem)
def test_a_knob_off_by_one_percent_is_not_equal(path: Path) -> None:
    module = load(path)
    nested: Callable[[float], Tensor] = module.nested
    reference: Callable[[float], Tensor] = module.reference
    (knob, *_) = inspect.signature(nested).parameters.values()
    assert gap(nested(knob.default * 0.99), reference(knob.default)) > 1e-4
    assert gap(nested(knob.default * 0.99), reference(knob.default * 0.99)) < TOLERANCE  # nor is it by luck


@every_file
def test_main_tells_the_largest_difference(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = load(path)
    assert module.__doc__
    assert "Equation:" in module.__doc__
    assert "arXiv" in module.__doc__
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert 2 <= len(lines) <= 3
    told = [float(line.split()[-1].rstrip(".")) for line in lines if "largest difference" in line]
    assert told
    assert max(told) < TOLERANCE


def test_runs_as_a_script() -> None:
    path = ROOT / "examples" / "gallery" / "sgd.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "largest difference" in done.stdout
    assert all("if __name__ ==" in path.read_text() for path in FILES)


def gallery(name: str) -> ModuleType:
    return load(ROOT / "examples" / "gallery" / f"{name}.py")


def test_adam_differs_at_the_usual_settings() -> None:
    adam = gallery("adam")
    assert gap(adam.nested(0.9), adam.reference(0.9, 0.999, 0.0)) > 1e-2
    assert gap(adam.nested(0.9), adam.reference(0.9, 0.9, 1e-8)) > 1e-10


def test_momentum_is_two_levels_by_dependency() -> None:
    module = gallery("momentum")
    system = module.build(0.9)
    system.step({"surprise": torch.zeros(module.MEMBERS, module.DIM, dtype=torch.float64)})
    assert system.frequencies() == {"momentum": 1.0, "weights": 1.0}
    assert system.ranking() == [["momentum"], ["weights"]]


def test_the_gradient_of_maml_must_cross_the_inner_steps() -> None:
    maml = gallery("maml")
    theta = torch.zeros(1, maml.KEY, dtype=torch.float64, requires_grad=True)
    (crossing,) = torch.autograd.grad(maml.meta_loss(theta, 0.1), theta)
    measured = [
        float(maml.meta_loss(1e-5 * unit, 0.1) - maml.meta_loss(-1e-5 * unit, 0.1)) / 2e-5
        for unit in torch.eye(maml.KEY, dtype=torch.float64)[:, None]
    ]
    torch.testing.assert_close(crossing[0], torch.tensor(measured, dtype=torch.float64), atol=1e-8, rtol=1e-8)


def test_turns_of_a_loop_are_levels_in_their_order() -> None:
    module = gallery("looped_block")
    system, _ = module.build()
    system.step({"h": module.problem()[2]})
    assert system.ranking() == [[f"turn{i}"] for i in range(module.LOOPS)]
    assert not [*system.parameters()]


def test_a_transformer_block_has_the_two_extreme_frequencies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = gallery("transformer_block")
    measured = module.frequencies()
    assert measured == {"attention": math.inf, "qkv": 0.0, "out": 0.0, "up": 0.0, "down": 0.0}
    assert module.rank(measured, {}) == [["attention"], ["qkv", "out", "up", "down"]]

    class Learning(module.Block):  # type: ignore[misc, name-defined]
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = super().forward(x)
            if len(x) % 2 == 0:  # a weight that learns in use is seen to do so
                self.out.write(x[-1], y)
            return y

    monkeypatch.setattr(module, "Block", Learning)
    assert module.frequencies() == {**measured, "out": 0.5}


def test_the_parts_of_a_hope_block_move_at_their_own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    module = gallery("hope_block")
    memories = ["key", "value", "step", "retention", "content"]
    every_token = dict.fromkeys([*memories, "network1"], 1.0)
    measured = module.frequencies()
    assert measured == {**every_token, "network2": 1 / 3, "network3": 1 / 12, "query": 0.0}
    assert module.rank(measured, {}) == [[*memories, "network1"], ["network2"], ["network3"], ["query"]]
    monkeypatch.setattr(module, "PERIODS", (1, 2, 5))  # 24 tokens: two chunks of 5 stay open at their end
    assert module.frequencies() == {**measured, "network2": 0.5, "network3": 4 / 24}
    assert module.difference() < TOLERANCE
