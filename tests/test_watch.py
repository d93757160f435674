"""Watching a run: what is shown is what happened, and the run stays as it is."""

import hashlib
import io
import itertools
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from PIL import Image

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.agents.trace import Trace
from emotional_ed.analysis.channels import ChannelScale, channel_scales
from emotional_ed.analysis.film import save_film, shown_steps
from emotional_ed.analysis.screen import bar, step_lines, summary_lines, without_control_characters
from emotional_ed.envs.camera import FilmedEnv, TabularCamera
from emotional_ed.experiments import TrainSpec
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.timeline import record_episode, record_first_episode, record_greedy_episode
from emotional_ed.experiments.train import train
from emotional_ed.experiments.watch import WatchSpec, read_spec, relive, watch

DOOR = "EmotionalED/JammedDoor-v0"
REGIMES = "EmotionalED/RecurringRegimes-v0"


class Painted(gymnasium.Env[Any, Any]):
    """A ring of six cells with a wind of its own; draws itself both ways without any package."""

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"]}  # noqa: RUF012
    made = 0

    def __init__(self, render_mode: str | None = None, shared: bool = False) -> None:
        self.observation_space, self.action_space = spaces.Discrete(6), spaces.Discrete(2)
        self.render_mode, self.shared = render_mode, shared
        Painted.made += 1
        self.number, self.cell, self.steps = Painted.made, 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cell, self.steps = 0, 0
        return 0, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        wind = self.number % 2 if self.shared else int(self.np_random.integers(2))
        self.cell = (self.cell + int(action) + wind) % 6
        return self.cell, float(self.cell == 5), self.cell == 5, False, {"catastrophe": self.cell == 3}

    def render(self) -> Any:
        if self.render_mode == "ansi":
            cells = ["."] * 6
            cells[self.cell] = "\x1b[41mx\x1b[0m"
            return "".join(cells) + "\n"
        image = np.zeros((10, 60, 3), dtype=np.uint8)
        image[:, self.cell * 10 : self.cell * 10 + 10] = (250, 200, 0)
        return image


class Blind(Painted):
    """The same, but it fails to draw."""

    def render(self) -> Any:
        raise RuntimeError("no screen here")


for name, kind in (("Painted-v0", Painted), ("Blind-v0", Blind)):
    if name not in gymnasium.registry:
        gymnasium.register(
            name,
            entry_point=kind,  # type: ignore[arg-type]
            max_episode_steps=30,
            disable_env_checker=True,
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that tests only look at."""
    root = tmp_path_factory.mktemp("runs")
    for name, env_id, level in (("door", DOOR, 2), ("ring", "Painted-v0", 1), ("plain", DOOR, 0)):
        spec = TrainSpec(
            env_id=env_id, steps=150, population=2, seed=3, step_size=0.3,
            affect=AffectConfig.levels(level),
        )  # fmt: skip
        train(spec, root / name)
    return root


def content(folder: Path) -> dict[str, str]:
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def shown(run: Path, **options: Any) -> tuple[str, Any]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=options.pop("encoding", "utf-8"))
    watched = watch(run, WatchSpec(**options), out)
    out.flush()
    return out.buffer.getvalue().decode(out.encoding), watched


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


# ---------------------------------------------------------------- what is relived


@pytest.mark.parametrize("name", ["door", "ring", "plain"])
@pytest.mark.parametrize("member", [0, 1])
def test_an_episode_of_the_run_is_relived_as_it_was(runs: Path, name: str, member: int) -> None:
    table = np.genfromtxt(runs / name / "metrics.csv", delimiter=",", names=True)
    rows = table[table["member"] == member]  # NumPy calls the column of returns "return_"
    for episode in (0, 2):
        watched = relive(runs / name, WatchSpec(member=member, episode=str(episode)))
        columns = watched.timeline.columns
        assert len(columns["reward"]) == rows["length"][episode]
        assert columns["reward"].sum() == pytest.approx(rows["return_"][episode], abs=1e-6)
        assert columns["step"][-1] == rows["step"][episode]
        assert set(columns["episode"]) == {episode}
        assert "the same length and return as in metrics.csv" in watched.note
    last = relive(runs / name, WatchSpec(member=member, episode="last"))
    assert last.timeline.columns["step"][-1] == rows["step"][-1]


def test_a_run_that_cannot_be_relived_is_not_passed_off_as_the_same(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "door", run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "seed": 99}))
    assert "NOT as in metrics.csv" in relive(run, WatchSpec(episode="1")).note


@pytest.mark.parametrize("member", [0, 1])
def test_the_next_episode_is_lived_by_the_member_as_it_was_saved(runs: Path, member: int) -> None:
    company = EmotionalQ.load(runs / "door" / "checkpoint")
    company.set_env(company.require_env())
    trace = Trace(member)
    company.learn(50, callback=trace)
    watched = relive(runs / "door", WatchSpec(member=member))
    columns = watched.timeline.columns
    expected = trace.columns()
    for name in set(columns) - {"member"}:
        assert np.array_equal(columns[name], expected[name][: len(columns[name])]), name
    assert columns["step"][0] == 151
    assert watched.timeline.ended
    assert "as saved after 150 steps, it goes on learning and feeling" in watched.note


def test_seeds_of_the_fresh_world_and_limits(runs: Path) -> None:
    def states(seed: int | None) -> list[int]:
        timeline = relive(runs / "ring", WatchSpec(seed=seed)).timeline
        return [int(one) for one in timeline.columns["observation"]]

    assert states(5) == states(5)
    assert len({tuple(states(seed)) for seed in range(6)}) > 1
    watched = relive(runs / "door", WatchSpec(limit=2, episode="0"))
    assert watched.timeline.steps == 2
    assert "cut off by the limit" in watched.note
    assert summary_lines(watched.timeline.columns)[0].endswith("in 2 steps, cut off by the limit")


def test_greedy_acts_as_predict_and_changes_nothing(runs: Path) -> None:
    for name in ("door", "ring"):
        text, watched = shown(runs / name, greedy=True, limit=20)
        columns = watched.timeline.columns
        assert {"action", "observation", "reward"} <= set(columns)
        assert not {"lss", "fear", "surprise"} & set(columns)
        assert "(it learns and feels nothing)" in text
        assert "fear" not in text
    model = EmotionalQ(DOOR, seed=0).learn(5)
    before = model.value.M.clone()
    twin = EmotionalQ(DOOR, seed=0).learn(5)
    columns = record_greedy_episode(model, limit=50).columns
    assert torch.equal(model.value.M, before)
    state: Any = None
    for observation, action in zip(columns["observation"], columns["action"], strict=True):
        chosen, state = twin.predict([observation], state)
        assert chosen[0] == action


def test_the_first_episode_is_that_of_the_first_member() -> None:
    spec = TrainSpec(env_id=DOOR, steps=100, population=2, seed=2)
    timeline = record_first_episode(spec)
    trace = Trace(0)
    spec.build().learn(50, callback=trace)
    for name, values in trace.episode(0).items():
        assert np.array_equal(timeline[name], values), name


def test_only_one_member_is_recorded_at_a_time() -> None:
    for record in (record_episode, record_greedy_episode):
        with pytest.raises(ValueError, match="population: got 2, expected 1"):
            record(EmotionalQ(DOOR, population=2, seed=0), limit=3)
        with pytest.raises(ValueError, match="limit: got 0"):
            record(EmotionalQ(DOOR, seed=0), limit=0)


# ---------------------------------------------------------------- what the world looked like


def test_maps_of_our_worlds_show_the_agent_where_it_was() -> None:
    model = EmotionalQ(REGIMES, seed=0, exploration=1.0, env_kwargs={"period": 2})
    world = model.require_env()
    for number in range(4):
        timeline = record_episode(model, limit=50, camera=TabularCamera(world))
        assert len(timeline.views) == timeline.steps + 1
        for seen, view in zip(timeline.columns["observation"], timeline.views, strict=False):
            assert view.text is not None
            assert view.text.replace("\n", "").index("A") == seen
            assert view.image is not None
            assert view.image.shape == (160, 160, 3)
        last = timeline.views[-1].text
        assert last is not None
        if timeline.columns["terminated"][-1]:  # the agent stands on one corner, the other is still there
            left, taken = ("-", "+") if timeline.columns["reward"][-1] == 1 else ("+", "-")
            assert left in last
            assert taken not in last
        start = timeline.views[0].text
        assert start is not None
        assert start[0] == ("+" if (number // 2) % 2 == 0 else "-")


def test_other_worlds_are_filmed_before_they_are_reset(runs: Path) -> None:
    timeline = relive(runs / "ring", WatchSpec(episode="1", gif="x")).timeline
    cells = [*timeline.columns["observation"], 5]
    for cell, view in zip(cells, timeline.views, strict=True):
        assert view.text is not None
        assert view.image is not None
        assert without_control_characters(view.text) == "." * cell + "[x]" + "." * (5 - cell) + "\n"
        assert int(view.image[5, :, 0].argmax()) == cell * 10


def test_a_twin_that_departs_is_no_longer_shown() -> None:
    env = FilmedEnv("Painted-v0", {"shared": True})
    env.reset(seed=0)
    assert env.look().text is not None
    for _ in range(3):
        env.step(0)
    assert env.look().text is None
    assert env.look().image is not None


def test_worlds_that_cannot_be_drawn_are_named(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(TrainSpec(env_id="Blind-v0", steps=20), run)
    with pytest.raises(ValueError, match=r"env: got 'Blind-v0', which cannot be drawn\. no screen here"):
        relive(run, WatchSpec())
    from worlds import register

    register()
    train(TrainSpec(env_id="Corridor-v0", steps=40), tmp_path / "corridor")
    text, _ = shown(tmp_path / "corridor", limit=3)
    assert "saw 0" in text
    with pytest.raises(ValueError, match="gif: got 'Corridor-v0', which draws no images"):
        relive(tmp_path / "corridor", WatchSpec(gif="x"))


# ---------------------------------------------------------------- text


def test_bars_by_hand() -> None:
    unsigned, signed = ChannelScale("a", "#000000", 1.0, False), ChannelScale("b", "#000000", 2.0, True)
    assert bar(0.0, unsigned, 4) == "····"
    assert bar(0.5, unsigned, 4) == "██··"
    assert bar(0.59375, unsigned, 4) == "██▍·"  # 19 of 32 eighths
    assert bar(7.0, unsigned, 4) == "████"
    assert bar(-1.0, unsigned, 4) == "····"
    assert bar(1.0, signed, 4) == "··│█·"
    assert bar(-1.0, signed, 4) == "·█│··"
    assert bar(-1.5, signed, 4) == "▐█│··"
    assert bar(float("nan"), signed, 4) == "··│··"
    assert bar(-2.0, signed, 4, ascii_only=True) == "##|.."
    assert bar(0.5, unsigned, 4, ascii_only=True) == "##.."


def scripted() -> dict[str, Any]:
    return {
        "observation": np.array([4, 5, 6]),
        "action": np.array([1, 1, 2]),
        "reward": np.array([-0.25, -0.25, 1.0]),
        "terminated": np.array([False, False, True]),
        "truncated": np.zeros(3, bool),
        "catastrophe": np.array([False, True, False]),
        "explored": np.array([True, False, False]),
        "persisted": np.array([False, True, False]),
        "lss": np.array([0.1, -0.8, 0.5]),
        "surprise": np.array([0.5, -3.0, 1.5]),
        "fear": np.array([0.0, 0.5, 0.25]),
        "mood": np.array([-0.5, -0.5, 0.0]),
        "boredom": np.array([0.0, 4.0, 2.0]),
        "greedy": np.array([False, True, True]),
        "slot": np.array([0, 0, 1]),
    }


def test_a_scripted_step_by_hand() -> None:
    lines = step_lines(
        scripted(), 1, actions=("up", "right", "down"), picture="..A\n", ascii_only=True, width=60
    )
    assert lines == [
        "step 2   right (pushed again)   reward -0.25   return -0.5   catastrophe",
        "..A",
        "surprise ###|... -3.00   fear ###... 0.50",
        "mood .##|... -0.50   slot ...... 0   boredom ###### 4.00",
    ]
    assert step_lines(scripted(), 0)[:2] == [
        "step 1   action 1 (explored)   reward -0.25   return -0.25",
        "saw 4",
    ]


def test_a_scripted_summary_by_hand() -> None:
    assert summary_lines(scripted(), ("up", "right", "down")) == [
        "return 0.5 in 3 steps, terminated",
        "catastrophes 1, explored 1, pushed again 1",
        "largest surprise -0.8, -3.0 in its own scale, at step 2: right (pushed again) in 5, reward -0.25",
        "strongest: fear 0.50 at step 2, mood -0.50 at step 1, boredom 4.00 at step 2",
    ]


def test_channels_are_the_affects_and_nothing_else() -> None:
    scales = {scale.name: scale for scale in channel_scales(scripted())}
    assert list(scales) == ["surprise", "fear", "mood", "slot", "boredom"]
    assert (scales["fear"].full, scales["boredom"].full, scales["surprise"].full) == (1.0, 4.0, 3.0)
    assert [scale.signed for scale in scales.values()] == [True, False, True, False, False]
    assert len({scale.colour for scale in scales.values()}) == 5


def test_text_in_a_pipe_has_every_step_and_no_control_characters(runs: Path) -> None:
    text, watched = shown(runs / "ring", episode="2")
    assert all(one == "\n" or one.isprintable() for one in text)
    columns = watched.timeline.columns
    assert text.count("\nstep ") == watched.timeline.steps
    for i in range(watched.timeline.steps):
        assert f"\nstep {i + 1}   action {columns['action'][i]}" in text
    felt = [f"{value:.2f}" for value in columns["fear"]]
    assert re.findall(r"fear \S{6} (\S+)", text) == felt
    assert f"return {columns['reward'].sum():g} in {watched.timeline.steps} steps" in text
    assert "[x]" in text


@pytest.mark.parametrize("options", [{"ascii_only": True}, {"encoding": "latin-1"}, {"encoding": "ascii"}])
def test_plain_ascii_on_request_and_where_blocks_cannot_be_written(
    runs: Path, options: dict[str, Any]
) -> None:
    text, _ = shown(runs / "door", episode="1", **options)
    assert text.isascii()
    assert "right" in text
    assert "D......AD" in text


def test_a_terminal_is_redrawn_in_place_and_left_in_order(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    out = Terminal()
    watched = watch(runs / "door", WatchSpec(episode="1", fps=10), out)
    text, steps = out.getvalue(), watched.timeline.steps
    assert pauses == [0.1] * steps
    frames = text.split("\x1b[J")
    assert len(frames) == steps + 1
    for before, after in itertools.pairwise(frames[1:]):
        drawn, back = before.rsplit("\x1b[", 1)
        assert back == f"{drawn.count(chr(10))}A"
        assert after.startswith("\nstep ")
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")


def test_ctrl_c_gives_the_cursor_back(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    out = Terminal()
    with pytest.raises(KeyboardInterrupt):
        watch(runs / "door", WatchSpec(episode="1"), out)
    assert out.getvalue().endswith("\x1b[?25h")


def test_frames_taller_than_the_terminal_are_printed_one_below_the_other(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    watch(runs / "door", WatchSpec(episode="1"), out)
    assert "\x1b[" not in out.getvalue()


# ---------------------------------------------------------------- film


def film_frames(path: Path) -> list[tuple[Any, int]]:
    with Image.open(path) as film:
        frames = []
        for i in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(i)
            frames.append((np.asarray(film.convert("RGB")), film.info["duration"]))
        assert film.info["loop"] == 0
    return frames


def test_a_film_has_a_frame_a_step_and_holds_the_last(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "film.gif"
    text, watched = shown(runs / "ring", episode="1", gif=str(path), fps=5)
    frames = film_frames(path)
    steps = watched.timeline.steps
    assert [duration for _, duration in frames] == [200] * steps + [2000]
    assert f"film:     {path} (" in text
    cells = [*watched.timeline.columns["observation"], 5]
    for (image, _), cell in zip(frames, cells, strict=True):
        assert image.shape[1] == 480
        row = image[46 + 30].astype(int)  # through the picture, which is 452 pixels wide
        bright = np.flatnonzero((row == (250, 200, 0)).all(-1))
        assert 14 + cell * 452 / 6 == pytest.approx(bright[0], abs=2)
        assert 14 + (cell + 1) * 452 / 6 == pytest.approx(bright[-1] + 1, abs=2)


def test_curves_grow_up_to_the_moment_and_end_where_they_should(tmp_path: Path) -> None:
    columns = {**scripted(), "fear": np.array([0.0, 1.0, 1.0])}
    frames = [image for image, _ in film_frames(save_film(tmp_path / "x.gif", [], columns))]
    assert len(frames) == 4
    colour = tuple(int("CC2277"[i : i + 2], 16) for i in (0, 2, 4))
    left, right, lane = 110, 416, slice(46 + 60, 46 + 90)  # fear is the third lane, below return and surprise

    def drawn(frame: Any) -> Any:
        close = (np.abs(frame[lane, left:right].astype(int) - colour).sum(-1) < 60).any(0)
        return np.flatnonzero(close)

    assert len(drawn(frames[0])) == 0
    for step in (1, 2, 3):
        reach = (right - left) * step / 3
        assert drawn(frames[step]).max() == pytest.approx(reach, abs=4)
    top = (np.abs(frames[3][lane, left + 250].astype(int) - colour).sum(-1) < 60).argmax()
    bottom = (np.abs(frames[3][lane, left + 40].astype(int) - colour).sum(-1) < 60).argmax()
    assert top == pytest.approx(4, abs=2)
    assert bottom == pytest.approx(26, abs=2)


def test_a_minute_of_film_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps, noise = 60, rng.normal(size=(60, 8))
    names = ("surprise", "arousal", "fear", "anger", "mood", "temperament", "displeasure", "grief")
    columns = {
        **{name: np.clip(noise[:, i], 0, 1) for i, name in enumerate(names)},
        "reward": noise[:, 0], "catastrophe": noise[:, 1] > 1, "explored": noise[:, 2] > 1,
        "action": np.zeros(steps, int), "terminated": np.zeros(steps, bool),
    }  # fmt: skip
    pictures = [np.full((96, 160, 3), 240, np.uint8) for _ in range(steps + 1)]
    for i, picture in enumerate(pictures):
        picture[32:64, 32 * (i % 5) : 32 * (i % 5) + 32] = (34, 139, 230)
    path = save_film(tmp_path / "film.gif", pictures, columns, title="a film")
    assert path.stat().st_size < 400_000  # without storing changes only it would be 850 kB
    assert len(film_frames(path)) == 61


def test_long_episodes_are_shown_in_strides_up_to_their_end(tmp_path: Path) -> None:
    assert shown_steps(3, 300) == [0, 1, 2, 3]
    assert shown_steps(7, 3) == [0, 3, 6, 7]
    columns = {
        "reward": np.ones(50), "catastrophe": np.zeros(50, bool), "action": np.zeros(50, int),
        "fear": np.linspace(0, 1, 50),
    }  # fmt: skip
    assert len(film_frames(save_film(tmp_path / "x.gif", [], columns, most_frames=10))) == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fps": 0}, "fps: got 0"),
        ({"fps": float("nan")}, "fps: got nan"),
        ({"width": 10}, "width: got 10"),
        ({"columns": {}}, "columns: got no step"),
        ({"pictures": [np.zeros((4, 4), np.uint8)]}, r"pictures: got shape \[4, 4\]"),
        ({"pictures": [np.zeros((4, 4, 3), np.uint8)]}, "pictures: got 1, expected 4"),
        ({"pictures": [np.zeros((4, 4, 3))] * 4}, "of uint8"),
    ],
)
def test_bad_films_are_named_and_leave_nothing(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    given = {"pictures": [], "columns": scripted(), **arguments}
    with pytest.raises(ValueError, match=message):
        save_film(tmp_path / "x.gif", given.pop("pictures"), given.pop("columns"), **given)
    assert not list(tmp_path.iterdir())


def test_without_pillow_a_film_says_what_to_install(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"expected pip install 'emotional-ed\[plots\]'"):
        save_film(tmp_path / "x.gif", [], scripted())
    shown(runs / "plain", episode="0")  # text needs none


# ---------------------------------------------------------------- command line


def test_the_command_shows_saves_and_leaves_the_run_as_it_is(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(runs)
    film, table = tmp_path / "film.gif", tmp_path / "trace.csv"
    for extra in (["--episode", "last"], ["--greedy", "--limit", "9"], ["--seed", "7", "--limit", "9"]):
        arguments = ["watch", str(runs / "door"), "--member", "1", "--gif", str(film), "--csv", str(table)]
        assert main([*arguments, *extra]) == 0
        text = capsys.readouterr().out
        steps = len(table.read_text().splitlines()) - 1
        assert text.count("\nstep ") == steps == len(film_frames(film)) - 1
    assert content(runs) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "run: got 'nowhere', expected the folder of a run"),
        (["{runs}"], "a study, expected one of its runs: door, plain, ring"),
        (["{door}", "--member", "2"], "member: got 2, expected an integer in [0, 2)"),
        (["{door}", "--member", "-1"], "member: got -1"),
        (["{door}", "--episode", "9999"], "episode: got 9999, expected one that this member has finished"),
        (["{door}", "--episode", "best"], "episode: got 'best', expected next, first, last or a number"),
        (["{door}", "--episode", "-1"], "episode: got '-1'"),
        (["{door}", "--episode", "first", "--greedy"], "greedy: got it with episode first"),
        (["{door}", "--episode", "first", "--seed", "1"], "seed: got it with episode first"),
        (["{door}", "--seed", "-1"], "seed: got -1"),
        (["{door}", "--fps", "nan"], "fps: got nan"),
        (["{door}", "--limit", "0"], "limit: got 0"),
        (["{door}", "--gif", "{door}/film.gif"], "expected a file outside the run"),
        (["{door}", "--csv", "{door}/x/film.csv"], "expected a file outside the run"),
    ],
)
def test_bad_input_ends_with_one_sentence_and_exit_code_2(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = content(runs)
    filled = [one.format(runs=runs, door=runs / "door") for one in arguments]
    assert main(["watch", *filled]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("emotional-ed: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert content(runs) == before


def damage(run: Path, what: str) -> None:
    if what == "no checkpoint":
        (run / "checkpoint.safetensors").unlink()
    elif what == "half a checkpoint":
        data = (run / "checkpoint.safetensors").read_bytes()
        (run / "checkpoint.safetensors").write_bytes(data[: len(data) // 2])
    elif what == "half a config":
        (run / "config.json").write_text((run / "config.json").read_text()[:50])
    elif what == "a list as config":
        (run / "config.json").write_text("[1]")
    elif what == "broken metrics":
        (run / "metrics.csv").write_text("member,episode\nzero,one\n")
    else:
        config = json.loads((run / "config.json").read_text())
        change = {"no environment": {"env_id": "Gone-v0"}, "another agent": {"agent": "ppo"}}[what]
        (run / "config.json").write_text(json.dumps({**config, **change}))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no checkpoint", "expected one with a checkpoint; it has not saved any yet"),
        ("half a checkpoint", "expected a whole checkpoint; it is not"),
        ("half a config", "expected a whole config.json of a run; it is not"),
        ("a list as config", "expected a whole config.json of a run; it is not"),
        ("broken metrics", "expected a whole metrics.csv; it is not"),
        ("another agent", "agent: got 'ppo', expected "),
    ],
)
def test_broken_runs_are_named(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, message: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "door", run)
    damage(run, what)
    assert main(["watch", str(run)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_world_that_is_gone_is_named(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "door", run)
    damage(run, "no environment")
    assert main(["watch", str(run), "--episode", "first"]) == 2
    assert "env: got 'Gone-v0', expected an id that Gymnasium knows" in capsys.readouterr().err


def test_a_running_run_is_watched_from_what_it_has_written(runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "door", run)
    (run / "result.json").unlink()
    (run / "checkpoint.safetensors").unlink()
    with (run / "metrics.csv").open("a") as file:
        file.write("0,77,1")  # a row that is being written
    assert "the same length and return" in shown(run, episode="last")[0]
    (run / "metrics.csv").unlink()
    text, watched = shown(run, episode="first")
    assert "which the run has not finished" in text
    assert watched.timeline.ended
    with pytest.raises(ValueError, match=r"episode: got last, expected one .* \(none yet\)"):
        shown(run, episode="last")


def test_the_spec_of_a_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    spec = TrainSpec(env_id=DOOR, steps=5, seed=9, affect=AffectConfig.levels(1), env_kwargs={"least": 3})
    assert read_spec(train(spec, tmp_path / "run")) == spec


def test_whoever_reads_may_stop_early(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("emotional_ed.experiments.watch.show", closed)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert main(["watch", str(runs / "door")]) == 0
    sys.stdout.close()
