"""A real TensorBoard server on loopback, read back over HTTP."""

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from emotional_ed.experiments import LADDER, Study, run_study

STEPS = 1500


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board") / "study"
    run_study(Study(env_id="EmotionalED/RecurringRegimes-v0", seeds=4, steps=STEPS), folder)
    return folder


def get(address: str, path: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{address}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)


def test_the_ladder_overlays_in_tensorboard(study: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(study),
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    with subprocess.Popen(
        [*command, "--load_fast", "false"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stderr is not None
            address = ""
            for line in server.stderr:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    address = found.group()
                    break
            assert address, "TensorBoard did not start"
            deadline = time.time() + 60
            tags: dict[str, Any] = {}
            while time.time() < deadline and set(tags) != set(LADDER):
                tags = get(address, "/data/plugin/scalars/tags")
                time.sleep(0.2)
            assert set(tags) == set(LADDER)  # one run an arm
            full = set(tags["level-0+1+2"])
            for words in (
                "surprise",
                "fear",
                "anger",
                "mood",
                "temperament",
                "effective_step_size",
                "ep_rew_mean",
            ):
                assert any(words in tag for tag in full), words
            assert {f"updates/{name}" for name in ("value", "fear", "anger", "mood", "temperament")} <= full
            shared = set.intersection(*(set(one) for one in tags.values()))
            assert "rollout/ep_rew_mean" in shared  # the ladder overlays in one chart
            assert not any("fear" in tag for tag in tags["level-0"])
            points = get(address, "/data/plugin/scalars/scalars", run="level-0+1+2", tag="updates/mood")
            assert [point[1] for point in points] == [500, 1000, 1500]
            assert [point[2] for point in points] == [10, 20, 30]  # every 50 steps
        finally:
            server.kill()  # on SIGTERM it would write to the pipe that is being closed, and may stay
