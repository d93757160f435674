"""The examples are run as a user runs them, stay short, and what they print is checked."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORT = ("train_and_watch", "ablation", "own_environment", "against_sb3")


def run(name: str, *arguments: str) -> str:
    """Run an example with warnings as errors; return what it printed."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_train_and_watch_learns_and_shows_an_episode(tmp_path: Path) -> None:
    said = run("train_and_watch", str(tmp_path))
    earned = [float(one) for one in re.findall(r"an episode earned (\S+) ", said)]
    assert len(earned) == 5
    assert earned[-1] > 0.9 > earned[0]
    assert re.search(r"^step 1 +\w+", said, re.MULTILINE)
    assert "pushed again" in said
    assert (tmp_path / "door" / "result.json").is_file()


def test_the_ablation_shows_that_anger_opens_the_door(tmp_path: Path) -> None:
    said = run("ablation", str(tmp_path))
    p = {
        arm: float(number)
        for arm, number in re.findall(r"^(\S+) less level-0: .* p = (\S+) after", said, re.MULTILINE)
    }
    assert p["full"] < 0.05
    assert p["without-fear"] < 0.05 < p["without-anger"]
    with (tmp_path / "study" / "report.csv").open() as file:
        assert [row["arm"] for row in csv.DictReader(file)] == [
            "level-0",
            "full",
            "without-anger",
            "without-fear",
        ]


def test_an_environment_of_ones_own_is_learned() -> None:
    found = re.findall(r"level (\d): late return (\S+), (\S+) falls an agent", run("own_environment"))
    assert [level for level, _, _ in found] == ["0", "1"]
    for _, late, falls in found:
        assert float(late) > 0.3  # running all the way earns about 0.1, and falls in 41 of 100 episodes
        assert float(falls) > 0


def test_a_plain_agent_is_compared_with_ours(tmp_path: Path) -> None:
    said = run("against_sb3", str(tmp_path))
    assert re.search(r"^dqn: return \S+ \[.*\] over 3 seeds", said, re.MULTILINE)
    assert re.search(r"^emotional-dqn: return", said, re.MULTILINE)
    page = (tmp_path / "report.html").read_text()
    assert "Few seeds: 3 an arm" in page
    for arm in ("dqn", "emotional-dqn"):
        assert len(list((tmp_path / arm).glob("seed_*/*.monitor.csv"))) == 3


@pytest.mark.parametrize("name", SHORT)
def test_they_are_short_and_say_how_to_run_them(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 40
    assert f"Run it: python examples/{name}.py" in text


def test_every_example_is_executed_by_a_test() -> None:
    tests = "\n".join(one.read_text() for one in Path(__file__).parent.glob("test_*.py"))
    names = {one.stem for one in EXAMPLES.glob("*.py")}
    assert names >= {*SHORT, "own_channel"}
    for name in names:
        assert re.search(rf'"{name}(\.py)?"', tests), name
