"""The example of a channel of one's own runs, does what it prints, and its file names what is missing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from emotional_ed.affect import AffectConfig, Channel
from emotional_ed.agents import EmotionalQ

SCRIPT = Path(__file__).parents[1] / "examples" / "own_channel.py"


def test_the_example_runs_and_its_checkpoint_asks_for_the_channel(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    shares = re.search(r"explored: (\S+) with boredom, (\S+) without", run.stdout)
    assert shares is not None, run.stdout
    assert float(shares[1]) > 1.5 * float(shares[2])
    assert "bit for bit: True" in run.stdout
    assert "boredom" not in Channel.registry  # here nobody has defined it
    with pytest.raises(
        ValueError, match=r"got 'boredom', expected a channel that is defined; import its module"
    ):
        EmotionalQ.load(tmp_path / "bored")
    with pytest.raises(ValueError, match=r"got 'boredom', expected a channel that is defined"):
        AffectConfig.from_dict({"own": {"boredom": {"gain": 1.0}}})


def test_the_channel_takes_one_class_and_less_than_sixty_lines() -> None:
    text = SCRIPT.read_text()
    assert text.count("(Channel):") == 1
    body = text[text.index("class Boredom") : text.index("\ndef train")]
    assert len(body.splitlines()) < 60
