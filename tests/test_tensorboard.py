"""A real TensorBoard server on loopback, read back over HTTP."""

import dataclasses
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import DQN

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalDQN, tensorboard_logger
from emotional_ed.agents.dashboards import METRICS, Dashboards, flat_settings, layout
from emotional_ed.agents.signal_log import TAGS
from emotional_ed.experiments import LADDER, Study, run_study

STEPS = 1500
DEEP = dataclasses.replace(AffectConfig.levels(2), recall=None)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of tabular agents, beside a deep agent of ours and a plain one of Stable-Baselines3."""
    folder = tmp_path_factory.mktemp("board")
    run_study(Study(env_id="EmotionalED/RecurringRegimes-v0", seeds=4, steps=STEPS), folder / "study")
    for name, model, settings in (
        ("deep", EmotionalDQN("MlpPolicy", "CartPole-v1", affect=DEEP, seed=0, learning_starts=50), DEEP.to_dict()),
        ("plain", DQN("MlpPolicy", "CartPole-v1", seed=7, learning_starts=50), None),
    ):  # fmt: skip
        model.set_logger(tensorboard_logger(folder / name))
        model.learn(300, callback=Dashboards(None if settings is None else {"affect": settings}))
        model.logger.close()
    return folder


def ask(address: str, path: str, body: Any = None, **query: str) -> Any:
    request = urllib.request.Request(
        f"{address}/data/plugin/{path}?{urllib.parse.urlencode(query)}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def board(logs: Path) -> Iterator[str]:
    """The address of a server that has read all five runs."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port", "0"]  # fmt: skip
    with subprocess.Popen(
        [*command, "--load_fast", "false"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stderr is not None
            found = next((one for line in server.stderr if (one := re.search(r"http://127\.0\.0\.1:\d+", line))), None)  # fmt: skip
            assert found, "TensorBoard did not start"
            deadline = time.time() + 60
            while time.time() < deadline and len(ask(found.group(), "scalars/tags")) < len(LADDER) + 2:
                time.sleep(0.2)
            yield found.group()
        finally:
            server.kill()  # on SIGTERM it would write to the pipe that is being closed, and may stay


@pytest.fixture(scope="module")
def tags(board: str) -> dict[str, set[str]]:
    return {run: set(names) for run, names in ask(board, "scalars/tags").items()}


def test_the_ladder_overlays_in_tensorboard(board: str, tags: dict[str, set[str]]) -> None:
    arms = {f"study/{name}" for name in LADDER}
    assert set(tags) == arms | {"deep", "plain"}  # one run an arm, and none for the dashboards
    full = tags["study/level-0+1+2"]
    for words in ("surprise", "fear", "anger", "mood", "temperament", "effective_step_size", "ep_rew_mean"):
        assert any(words in tag for tag in full), words
    assert {f"updates/{name}" for name in ("value", "fear", "anger", "mood", "temperament")} <= full
    assert "rollout/ep_rew_mean" in set.intersection(*tags.values())  # all agents overlay in one chart
    assert not any("fear" in tag for tag in tags["study/level-0"])
    points = ask(board, "scalars/scalars", run="study/level-0+1+2", tag="updates/mood")
    assert [point[1] for point in points] == [500, 1000, 1500]
    assert [point[2] for point in points] == [10, 20, 30]  # every 50 steps


def test_all_agents_use_the_same_tags(tags: dict[str, set[str]]) -> None:
    """What two agents both feel has the same name, and nothing felt goes by a name of its own."""
    felt = {run: {tag for tag in names if tag.startswith(("level", "own/"))} for run, names in tags.items()}
    tabular, deep = felt["study/level-0+1+2"], felt["deep"]
    assert deep < tabular
    assert tabular <= {*TAGS.values(), "level0/absolute_surprise"}
    assert deep == {
        "level0/absolute_surprise", "level0/surprise", "level1/arousal", "level1/fear", "level1/anger", "level2/mood",
        "level2/temperament",
    }  # fmt: skip
    counted = {tag for tag in tags["deep"] if tag.startswith("updates/")}
    assert counted == {
        f"updates/{name}" for name in ("surprise", "arousal", "fear", "anger", "mood", "temperament")
    }
    assert counted <= tags["study/level-0+1+2"]
    assert felt["plain"] == set()


def test_the_custom_scalars_lay_all_arms_over_each_other(board: str, tags: dict[str, set[str]]) -> None:
    """The layout is there once, however many runs wrote it, and its charts find their tags in every run."""
    categories = {one["title"]: one["chart"] for one in ask(board, "custom_scalars/layout")["category"]}
    assert list(categories) == ["Returns", "Level 0", "Level 1: emotions", "Level 2: mood", "More"]
    assert {name: len(charts) for name, charts in categories.items()} == {
        k: len(v) for k, v in layout().items()
    }
    patterns = {one["title"]: one["multiline"]["tag"] for charts in categories.values() for one in charts}
    assert patterns["fear"] == ["^level1/fear$"]
    for run in tags:
        answer = ask(board, "custom_scalars/scalars", run=run, tag=patterns["ep_rew_mean"][0])
        assert answer["regex_valid"] is True
        assert list(answer["tag_to_events"]) == ["rollout/ep_rew_mean"]
    for run, felt in (("study/level-0+1", 1), ("study/level-0+1+2", 1), ("deep", 1), ("plain", 0)):
        events = ask(board, "custom_scalars/scalars", run=run, tag=patterns["fear"][0])["tag_to_events"]
        assert len(events) == felt, run
    more = ask(board, "custom_scalars/scalars", run="deep", tag=patterns["updates of each level"][0])
    assert "updates/fear" in more["tag_to_events"]


def test_the_table_of_settings_has_a_row_a_run(board: str, tags: dict[str, set[str]]) -> None:
    experiment = ask(board, "hparams/experiment", {"experimentName": ""})
    assert {one["name"]["tag"] for one in experiment["metricInfos"]} == set(METRICS)
    wanted = {
        "experimentName": "", "startIndex": 0, "sliceSize": 100,
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"metric": {"group": "", "tag": METRICS[0]}}],
    }  # fmt: skip
    rows = [one for group in ask(board, "hparams/session_groups", wanted)["sessionGroups"] for one in [group]]
    table = {row["sessions"][0]["name"]: row for row in rows}
    assert set(table) == set(tags)
    settings = {run: row["hparams"] for run, row in table.items()}
    assert settings["study/level-0"]["affect.fear"] == "none"
    assert settings["study/level-0+1"]["affect.fear"] == settings["deep"]["affect.fear"] == "on"
    assert settings["study/level-0+1"]["affect.mood"] == "none"
    assert settings["study/level-0+1+2"]["affect.mood.period"] == 50
    assert settings["study/level-0"]["step_size"] == 0.1
    assert settings["plain"] == {"agent": "DQN", "seed": 7, "discount": 0.99, "environments": 1}
    for run in tags:
        shown = {one["name"]["tag"]: one["value"] for one in table[run]["metricValues"]}
        last = ask(board, "scalars/scalars", run=run, tag=METRICS[0])[-1]
        assert shown[METRICS[0]] == pytest.approx(last[2])


def test_settings_become_flat() -> None:
    config = {
        "steps": 5, "affect": {"fear": None, "mood": {"period": 50}, "own": {}}, "greedy": True, "rate": float("nan"),
        "level0": {"critic": {"rule": "q"}}, "seeds": [1, 2], "versions": {"torch": "2"}, "revision": "abc",
    }  # fmt: skip
    assert flat_settings(config) == {
        "steps": 5.0, "affect.fear": "none", "affect.mood": "on", "affect.mood.period": 50.0, "affect.own": "none",
        "greedy": "True", "rate": "nan", "level0.critic.rule": "q", "seeds": "[1, 2]",
    }  # fmt: skip


def test_a_logger_without_tensorboard_is_left_as_it_is(tmp_path: Path) -> None:
    model = DQN("MlpPolicy", "CartPole-v1", seed=0, learning_starts=50).learn(20, callback=Dashboards())
    assert not list(tmp_path.iterdir())
    assert model.num_timesteps == 20
