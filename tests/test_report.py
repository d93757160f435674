"""Reports: what they say, that nothing in them is run or fetched, and how a real browser takes them."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotional_ed.analysis import Claim, claims, compare, load_study, report
from emotional_ed.analysis.caveats import caveats
from emotional_ed.analysis.charts import Scale, band, line, spanning
from emotional_ed.analysis.episode import Episode, around, worth_a_look
from emotional_ed.analysis.figures import decimals, show, show_p, show_tick, ticks
from emotional_ed.analysis.findings import answer, find, question, verdict
from emotional_ed.analysis.markup import Markup, element, together
from emotional_ed.analysis.settings import differences_from, shared_settings
from emotional_ed.analysis.statistics import Estimate
from emotional_ed.experiments import Study, run_study
from emotional_ed.experiments.cli import main
from emotional_ed.experiments.study_episodes import study_episodes

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here (Debian: apt install chromium)"
)
NASTY = "a<img src=x onerror=alert(1)>&\"'|`b`"


def write_arm(
    folder: Path, returns: Sequence[Sequence[float]], *, result: dict[str, Any] | None = None, **config: Any
) -> None:
    """Write a run: a row of returns a member, an episode each 10 steps."""
    folder.mkdir(parents=True)
    members, episodes = len(returns), len(returns[0])
    facts = {
        "env_id": "Task-v0", "population": members, "steps": 10 * episodes, "seed": 0, "agent": "emotional-q",
        "step_size": 0.1, "versions": {"emotional_ed": "0.1.0"}, "revision": "abc",
        "command": ["emotional-ed", "ablate", "Task-v0", "--out", "a folder"],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**facts, **config}))
    lines = [f"{m},{e},{10 * e + 10},{returns[m][e]},10" for e in range(episodes) for m in range(members)]
    (folder / "metrics.csv").write_text("\n".join(["member,episode,step,return,length", *lines]) + "\n")
    ended = {
        "seconds": 2.5, "catastrophes": [1] * members, "unfinished_return": [0.0] * members, "episodes": len(lines),
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps({**ended, **(result or {})}))


def write_study(root: Path, arms: dict[str, float], *, members: int = 30, episodes: int = 20) -> Path:
    """Write a study whose arms earn, on average, what `arms` says."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(members, 1))
    for name, mean in arms.items():
        returns = mean + shared + 0.3 * rng.normal(size=(members, episodes))
        write_arm(
            root / name, returns.tolist(), affect={"fear": None if name == "level-0" else {"onset": 1.5}}
        )
    return root


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study", {"level-0": 0.0, "better": 1.0, "worse": -1.0, "same": 0.0})


class Tags(HTMLParser):
    """Collects tags, attributes and text, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "link", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


# What it says


def test_the_report_says_what_was_found(study: Path) -> None:
    target = report(study)
    assert target == study / "report.html"
    seen = Tags(target.read_text())
    assert not seen.open
    for said in (
        "Does any other arm earn more than level-0 on Task-v0?",
        "better earned more than level-0.",
        "worse earned less than level-0.",
        "No difference from level-0 is shown for same (that takes p after Holm below 0.05 and an interval without 0).",
        "Untuned baseline",
        "emotional-ed ablate Task-v0 --out 'a folder'",
        "revision",
        "affect.fear",
        "onset 1.5",
    ):
        assert said in seen.text
    loaded = load_study(study)
    for row, claim in zip([r for r in compare(loaded) if r.arm != "level-0"], claims(loaded), strict=True):
        assert f"{row.final.value:.2f}" in seen.text
        assert f"[{claim.difference.low:+.3f}, {claim.difference.high:+.3f}]"[1:4] in seen.text
        assert show_p(claim.p_holm) in seen.text


def test_markdown_and_csv_hold_the_same_table(study: Path) -> None:
    report(study)
    with (study / "report.csv").open() as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    loaded = load_study(study)
    assert set(rows) == {"level-0", "better", "worse", "same"}
    for one in compare(loaded):
        assert float(rows[one.arm]["return_second_half"]) == one.final.value
        assert float(rows[one.arm]["cvar_low"]) == one.cvar.low
        assert float(rows[one.arm]["catastrophes_per_1000_steps"]) == 5.0
    for claim in claims(loaded):
        assert float(rows[claim.arm]["p_holm"]) == claim.p_holm
    text = (study / "report.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    better = next(line for line in table if line.startswith("| better"))
    assert f"{float(rows['better']['difference']):+.2f} [" in better
    assert "## Before you believe it" in text


def test_a_report_of_a_report_is_the_same(study: Path) -> None:
    first = report(study).read_bytes()
    assert report(study).read_bytes() == first


def test_the_baseline_can_be_chosen(study: Path) -> None:
    assert "Does any other arm earn more than worse" in report(study, baseline="worse").read_text()
    before = (study / "report.html").read_bytes()
    with pytest.raises(ValueError, match="baseline: got 'nobody'"):
        report(study, baseline="nobody")
    assert (study / "report.html").read_bytes() == before


def test_no_run_no_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one finished run"):
        report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_it_needs_no_matplotlib(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert report(study).stat().st_size > 10_000


def test_odd_studies_have_reports_too(tmp_path: Path) -> None:
    write_arm(tmp_path / "one", [[1.0]])
    text = Tags(report(tmp_path).read_text()).text
    assert "What does one earn on Task-v0?" in text
    assert "(no interval)" in text
    write_arm(tmp_path / "many/b", [[1.0, 1.0]] * 3, env_id="A-v0")
    write_arm(tmp_path / "many/a", [[1.0, 1.0]] * 3, env_id="A-v0")
    write_arm(tmp_path / "many/c", [[1.0, 2.0]] * 3, env_id="B-v0", result={"catastrophes": None})
    text = Tags(report(tmp_path / "many").read_text()).text
    for said in ("Results: A-v0", "Results: B-v0", "not counted", "B-v0: a was not run", "not compared"):
        assert said in text


# Affect during chosen episodes


def lived(count: int = 50, **signals: Any) -> dict[str, Any]:
    """Return columns of one life: two episodes, a catastrophe in the second one."""
    columns = {
        "episode": np.arange(count) // (count // 2), "step": np.arange(1, count + 1), "reward": np.zeros(count),
        "terminated": np.arange(count) % (count // 2) == count // 2 - 1, "truncated": np.zeros(count, bool),
        "catastrophe": np.arange(count) == 30, "lss": np.zeros(count), "explored": np.arange(count) == 40,
    }  # fmt: skip
    return {**columns, **signals}


def test_episodes_are_drawn_lane_by_lane(study: Path) -> None:
    columns = lived(fear=np.linspace(0, 1, 50), mood=np.linspace(1, -1, 50), anger=np.zeros(50))
    episode = Episode("better, seed 0, episode 1: its first catastrophe", columns, 1, "Lived again.")
    text = report(study, episodes=[episode], episode_notes=["worse: no episode."]).read_text()
    drawn = text.split("Affect during chosen episodes")[1].split("Settings</h2>")[0]
    seen = Tags(text).text
    for said in (
        "episode 1: its first catastrophe",
        "Lived again.",
        "Silent throughout: surprise, anger",
        "Red lines: catastrophes",
        "worse: no episode.",
    ):
        assert said in seen
    assert re.findall(r"<b>(.*?)</b>", drawn) == ["reward", "fear", "mood", "explored"]
    assert drawn.count("M610 0V1000") == 4  # the catastrophe at step 31 of 50 crosses every lane
    assert drawn.count('class="veil"') == 4  # what is before the episode
    assert "to 1</span>" in drawn  # how far fear rose
    assert "1 x</span>" in drawn


def test_a_page_without_episodes_says_so(study: Path) -> None:
    assert "None was lived again for this page" in Tags(report(study).read_text()).text


def test_a_whole_life_fits_a_page(study: Path) -> None:
    """Long episodes are thinned out, and their extremes stay."""
    fear = np.zeros(100_000)
    fear[77_777] = 0.9
    episode = Episode("long", {"fear": fear, "reward": -fear})
    text = report(study, episodes=[episode]).read_text()
    assert len(text) < 400_000
    assert "to 0.9</span>" in text
    drawn = text.split('class="lanes"')[1].split('class="ruler"')[0]
    assert "L778 143" in drawn  # the moment of fear: 0.9 of 1.05 up, at 77,777 of 100,000
    assert "-0.9 in all</span>" in text


def test_what_is_worth_a_look() -> None:
    errors = np.zeros(50)
    errors[3] = -2.0
    assert worth_a_look(lived(lss=errors)) == {1: "its first catastrophe", 0: "its worst surprise"}
    errors[35] = -3.0
    assert worth_a_look(lived(lss=errors)) == {1: "its first catastrophe and its worst surprise"}
    calm = {name: values[:25] for name, values in lived().items()}
    assert worth_a_look(calm) == {0: "its worst surprise"}
    unfinished = {**lived(lss=errors), "terminated": np.arange(50) == 24}
    assert worth_a_look(unfinished) == {0: "its worst surprise"}  # the second one did not end
    assert worth_a_look({name: values[:3] for name, values in lived().items()}) == {0: "its worst surprise"}
    assert worth_a_look({name: values[:0] for name, values in lived().items()}) == {}


def test_short_episodes_have_their_neighbours() -> None:
    def steps(number: int, least: int) -> list[int]:
        found = around(lived(), number, least)["step"]
        return [int(found[0]), int(found[-1])]

    assert steps(1, 10) == [26, 50]  # long enough by itself
    assert steps(1, 31) == [20, 50]
    assert steps(0, 31) == [1, 31]
    assert steps(0, 99) == [1, 50]
    amid = around({**lived(), "episode": np.arange(50) // 10}, 2, 20)["step"]
    assert (amid[0], amid[-1]) == (16, 35)  # as much before as after


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "study"
    run_study(Study(env_id="EmotionalED/RecurringRegimes-v0", seeds=2, steps=600, first_seed=5), folder)
    return folder


def test_episodes_are_lived_again_as_they_were(trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    loaded = load_study(trained)
    episodes, notes = study_episodes(loaded, 600)
    assert notes == []
    assert {one.title.split(",")[0] for one in episodes} == {"level-0", "level-0+1", "level-0+1+2"}
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    for one in episodes:
        assert "seed 5, episode" in one.title
        assert one.note == "Lived again from its seed: the same length and return as in metrics.csv."
        (run,) = (run for run in loaded if run.name == one.title.split(",")[0])
        mine = one.columns["episode"] == one.number
        row = run.episodes[(run.episodes["member"] == 0) & (run.episodes["episode"] == one.number)][0]
        assert one.columns["reward"][mine].sum() == pytest.approx(row["return"])
        assert one.columns["step"][mine][-1] == row["step"]
    felt = next(one for one in episodes if one.title.startswith("level-0+1+2"))
    assert {"fear", "anger", "mood", "surprise"} <= set(felt.columns)


def test_what_cannot_be_lived_again_is_said(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "study")
    config = tmp_path / "study/level-0/config.json"
    config.write_text(config.read_text().replace("RecurringRegimes-v0", "Nowhere-v0"))
    rows = tmp_path / "study/level-0+1/metrics.csv"
    rows.write_text(re.sub(r"^(0,\d+,\d+),[^,]+", r"\1,123.0", rows.read_text(), flags=re.MULTILINE))
    episodes, notes = study_episodes(load_study(tmp_path / "study"), 300)
    assert len(notes) == 1
    assert notes[0].startswith("level-0: no episode can be lived again: env")
    assert all("NOT as in metrics.csv" in one.note for one in episodes if one.title.startswith("level-0+1,"))
    assert all("the same length" in one.note for one in episodes if one.title.startswith("level-0+1+2"))
    with pytest.raises(ValueError, match="steps: got -1"):
        study_episodes(load_study(trained), -1)
    assert study_episodes(load_study(trained), 0)[1] == [
        "No episode was lived again for this page, because none was asked for."
    ]
    (tmp_path / "plain/arm").mkdir(parents=True)
    (tmp_path / "plain/arm/monitor.csv").write_text('#{"t_start": 1, "env_id": "A"}\nr,l,t\n1,10,1\n')
    assert study_episodes(load_study(tmp_path / "plain"))[1] == [
        "arm: no episode can be lived again: the run is of another package, and only returns are known."
    ]


def test_the_command_lives_episodes_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(trained), "--relive", "200"]) == 0
    drawn = (trained / "report.html").read_text()
    assert drawn.count('class="lanes"') >= 3
    assert main(["report", str(trained), "--relive", "0"]) == 0
    assert "none was asked for" in (trained / "report.html").read_text()
    assert main(["report", str(trained), "--relive", "-1"]) == 2
    assert "steps: got -1" in capsys.readouterr().err


# What to beware of


def beware(root: Path, facts: dict[str, Any] | None = None) -> str:
    if facts is not None:
        (root / "study.json").write_text(json.dumps(facts))
    loaded = load_study(root)
    return "\n".join(caveats(loaded, "level-0", claims(loaded)))


def test_few_seeds_are_said(tmp_path: Path) -> None:
    said = beware(write_study(tmp_path, {"level-0": 0, "b": 1, "c": 1}, members=5))
    assert "Few seeds: 5 an arm; 30 are asked for" in said
    assert "no p value can fall below 0.125" in said
    assert "Few seeds" not in beware(write_study(tmp_path / "enough", {"level-0": 0, "b": 1}))


def test_tuning_is_said(tmp_path: Path) -> None:
    write_study(tmp_path, {"level-0": 0, "b": 1})
    assert "Untuned baseline: the settings of level-0 and all other arms were given" in beware(tmp_path)
    assert "Untuned baseline: b had settings of their own" in beware(
        tmp_path, {"settings": {"b": {"step_size": 1}}}
    )
    both = {"b": {"step_size": 1}, "level-0": {"step_size": 1}}
    assert "does not say how they were found" in beware(tmp_path, {"settings": both})
    tuned = {"first_seed": 1000, "seeds": 5, "arms": {"level-0": {"budget": 9}, "b": {"budget": 9}}}
    assert beware(tmp_path, {"settings": both, "tuning": tuned}) == ""
    assert "Overlapping seeds: 5 seeds of the results (e.g. 25)" in beware(
        tmp_path, {"tuning": {**tuned, "first_seed": 25}}
    )
    assert "tuning seeds are not known" in beware(tmp_path, {"tuning": {"arms": tuned["arms"]}})
    assert "Untuned baseline: the study tuned b, and not level-0" in beware(
        tmp_path, {"tuning": {**tuned, "arms": {"b": {"budget": 9}}}}
    )
    unequal = {"level-0": {"budget": 1}, "b": {"budget": 9}}
    assert "tuned with unequal numbers" in beware(tmp_path, {"tuning": {**tuned, "arms": unequal}})


def test_unequal_terms_are_said(tmp_path: Path) -> None:
    write_study(tmp_path, {"level-0": 0})
    write_arm(tmp_path / "told", [[1.0] * 20] * 30, affect={"regret": {}})
    write_arm(tmp_path / "easy", [[1.0] * 20] * 30, env_kwargs={"noise": 0})
    write_arm(tmp_path / "short", [[1.0] * 5] * 29, versions={"emotional_ed": "0.0.1"})
    write_arm(
        tmp_path / "late", [[1.0] * 20] * 30, seed=900, revision="abc-dirty", result={"catastrophes": None}
    )
    write_arm(tmp_path / "never", [[1.0] * 20] * 30, steps=1000)
    (tmp_path / "never/result.json").unlink()
    said = beware(tmp_path)
    for one in (
        "Unequal information: told may read the reward of the action not taken",
        "Unequal task: easy had other arguments of Task-v0 than level-0",
        "Unequal budget: runs of Task-v0 made 50 to 200 steps",
        "Unequal numbers of seeds: 29 to 30",
        "late: no common seeds with level-0",
        "late: catastrophes were not counted",
        "more than one version or revision: 0.0.1, 0.1.0, abc, abc-dirty",
        "changes that are in no revision",
        "Left out: 1 unfinished or damaged: never: not finished (no result.json).",
    ):
        assert one in said


def test_silent_seeds_are_said(tmp_path: Path) -> None:
    write_study(tmp_path, {"level-0": 0})
    write_arm(tmp_path / "slow", [[1.0] * 2] * 30, steps=1000)
    assert "30 seeds finished no episode in the second half" in beware(tmp_path)


def test_smoothed_sources_are_said(tmp_path: Path) -> None:
    for name in ("a/seed_0", "a/seed_1", "b/seed_0"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "monitor.csv").write_text('#{"t_start": 1, "env_id": "A"}\nr,l,t\n1,10,1\n')
    said = beware(tmp_path)
    assert "Plain Stable-Baselines3 runs do not say" in said
    assert "Few seeds: 1 an arm; 10 are asked for" in said


def test_the_command_writes_the_same_report(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(study), "--baseline", "worse"]) == 0
    assert capsys.readouterr().out == f"report:   {study / 'report.html'}\n"
    by_command = (study / "report.html").read_text()
    told = Tags(by_command).text
    assert "better: no episode can be lived again: env" in told  # there is no Task-v0
    notes = study_episodes(load_study(study))[1]
    assert report(study, baseline="worse", episode_notes=notes).read_text() == by_command
    assert main(["report", str(study / "nowhere")]) == 2
    assert "at least one finished run" in capsys.readouterr().err
    assert main(["report", str(study), "--baseline", "x"]) == 2
    assert "baseline: got 'x', expected one of" in capsys.readouterr().err


def test_a_difference_is_shown_only_if_test_and_interval_agree() -> None:
    def said(p: float, value: float, low: float, high: float) -> str:
        difference = Estimate(value, low, high, 30)
        return verdict(Claim("Task-v0", "b", "a", difference, Estimate(0.5, 0.4, 0.6, 30), p, p, True))

    assert said(0.01, 1.0, 0.5, 1.5) == "more"
    assert said(0.01, -1.0, -1.5, -0.5) == "less"
    assert said(0.05, 1.0, 0.5, 1.5) == "not shown"
    assert said(0.01, 1.0, -0.1, 1.5) == "not shown"
    assert said(0.01, 1.0, -np.inf, np.inf) == "not shown"


def test_a_study_may_ask_its_own_question(study: Path) -> None:
    (study / "study.json").write_text(
        json.dumps({"question": " Is fear worth it? ", "arms": ["same", "level-0"]})
    )
    findings = find(load_study(study))
    assert question(findings) == "Is fear worth it?"
    assert [run.name for run in findings.study][:2] == ["same", "level-0"]
    assert len(answer(findings)) == 3


# Settings


def test_settings_are_told_apart(study: Path) -> None:
    runs = {run.name: run for run in load_study(study)}
    assert differences_from(runs["better"], runs["level-0"]) == {"affect.fear": "onset 1.5"}
    assert differences_from(runs["level-0"], runs["better"]) == {"affect.fear": "none"}
    assert differences_from(runs["same"], runs["better"]) == {}
    assert shared_settings([runs["better"], runs["level-0"]]) == {
        "steps": "200", "agent": "emotional-q", "step_size": "0.1",
    }  # fmt: skip


# Nothing in it is run or fetched


def nasty_study(root: Path) -> Path:
    for name in ("level-0", NASTY):
        write_arm(
            root / name, [[0.0, 1.0]] * 3, env_id="</title><script>alert(1)</script>&amp;",
            step_size="</pre><script>alert(2)</script>", command=["x", "<script>alert(3)</script>"],
            versions={"emotional_ed": "<b>1</b>"},
        )  # fmt: skip
    broken = root / "<script>alert(4)</script>".replace("/", "")
    write_arm(broken, [[0.0]])
    (broken / "result.json").unlink()
    return root


@pytest.mark.parametrize("kind", ["plain", "nasty"])
def test_the_page_holds_only_known_tags_and_fetches_nothing(study: Path, tmp_path: Path, kind: str) -> None:
    root = study if kind == "plain" else nasty_study(tmp_path / "nasty")
    text = report(root).read_text()
    seen = Tags(text)
    assert seen.tags <= {
        "html", "head", "meta", "link", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "b", "div",
        "span", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "small", "svg", "path", "dl", "dt", "dd",
        "pre", "code", "details", "summary", "footer", "wbr",
    }  # fmt: skip
    names = {name for name, _ in seen.attributes}
    assert not any(name.startswith("on") or name in ("src", "srcset", "action") for name in names)
    assert [value for name, value in seen.attributes if name == "href"] == ["data:,"]
    assert not re.search(r"url\(|@import|https?://", text)
    if kind == "nasty":
        assert NASTY in seen.text
        assert "</title><script>alert(1)</script>&amp;" in seen.text
        markdown = (root / "report.md").read_text().split("```")
        assert not re.search(r"(?<!\\)<", markdown[0] + markdown[2])


@settings(max_examples=40)
@given(st.text(max_size=20), st.text(max_size=20))
def test_elements_escape_text_and_attributes(text: str, value: str) -> None:
    seen = Tags(element("p", text, element("b", text), title=value))
    assert seen.tags == {"p", "b"}
    if "\r" not in text + value and "\0" not in text + value:
        assert seen.text == text + text
        assert seen.attributes == [("title", value)]


def test_markup_is_not_escaped_twice() -> None:
    inner = element("b", "<", class_="x", data_label="a")
    assert inner == '<b class="x" data-label="a">&lt;</b>'
    assert together(inner, None, "&") == f"{inner}&amp;"
    assert element("p", Markup("<i></i>"), id=None) == "<p><i></i></p>"


# Figures and drawings


def test_figures_by_hand() -> None:
    assert [decimals([x]) for x in (0.0, 0.004, 0.91, 9.1, 28.0, 250.0, 1e6)] == [2, 4, 3, 2, 1, 0, 0]
    assert decimals([0.5, -120.0, np.nan]) == 0
    assert show(Estimate(0.5, 0.25, 1, 9), 2, sign=True) == "+0.50 [+0.25, +1.00]"
    assert show(Estimate(0.5, -np.inf, np.inf, 1), 1) == "0.5 (no interval)"
    assert show(None, 1) == "not counted"
    assert [show_p(p) for p in (0.0001, 0.0625, 1.0)] == ["< 0.001", "0.062", "1.000"]
    assert [show_tick(v) for v in (0, -0.5, 5000, 15_000, 2e6, 3e9)] == [
        "0",
        "-0.5",
        "5000",
        "15k",
        "2M",
        "3G",
    ]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    marks = ticks(low, low + width)
    assert 2 <= len(marks) <= 9
    slack = 1e-6 * max(abs(low), width)
    assert low - slack <= marks[0]
    assert marks[-1] <= low + width + slack


def test_lines_break_where_numbers_are_missing() -> None:
    unit = Scale(0, 1)
    drawn = line([0, 0.5, 0.75, 1], [0, np.nan, 1, 0.5], unit, unit, "x")
    assert drawn == '<path d="M0 1000M750 0L1000 500" class="x"></path>'
    assert band([0, 1], [0, 0], [1, np.nan], unit, unit, "x") == '<path d="M0 0L0 1000Z" class="x"></path>'
    assert band([0, 1], [np.nan] * 2, [1, 1], unit, unit, "x") == ""
    assert spanning([]) == Scale(0, 1)
    assert spanning([3, 3]) == Scale(1.5, 4.5)


def test_a_large_study_is_reported_in_seconds(tmp_path: Path) -> None:
    """Twelve arms of 50 seeds and 1000 episodes each."""
    names = ["level-0", *(f"arm {i}" for i in range(11))]
    write_arm(tmp_path / "level-0", np.random.default_rng(0).normal(size=(50, 1000)).tolist())
    for name in names[1:]:
        shutil.copytree(tmp_path / "level-0", tmp_path / name)
    began = time.process_time()  # the clock would tell what else the machine is doing
    target = report(tmp_path)
    assert time.process_time() - began < 20
    assert target.stat().st_size < 2_000_000


# A real browser


def browse(page: Path, folder: Path, *options: str) -> tuple[str, list[str]]:
    """Open a page in headless Chromium; return what it became, and what the console said."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        f"--user-data-dir={folder / 'browser'}", "--enable-logging=stderr", "--virtual-time-budget=2000", *options,
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
def test_a_browser_shows_it_without_errors(tmp_path: Path) -> None:
    felt = {NASTY: np.linspace(-1, 1, 9), "reward": np.ones(9), "catastrophe": np.arange(9) == 4}
    drawn = [Episode(NASTY, felt, note=NASTY)]
    page = report(nasty_study(tmp_path / "nasty"), episodes=drawn, episode_notes=[NASTY])
    became, console = browse(page, tmp_path)
    assert console == []
    assert "How to read this" in became
    assert became.count('class="lanes"') == 1
    assert "<script" not in became


@needs_chromium
def test_the_console_is_really_read(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<!doctype html><script>nothing.here()</script><img src='missing.png'>")
    assert any("nothing is not defined" in said for said in browse(page, tmp_path)[1])


@needs_chromium
def test_it_fits_a_phone(tmp_path: Path) -> None:
    """In a frame of 360 pixels nothing sticks out to the right."""
    root = write_study(
        tmp_path / "study", {f"a-rather-long-name-of-an-arm-{i}": i for i in range(8)}, members=6
    )
    told = "<script>parent.postMessage([document.documentElement.scrollWidth, document.documentElement.clientWidth], '*')</script>"
    felt = lived(fear=np.linspace(0, 1, 50), a_rather_long_name_of_a_channel=np.ones(50))
    page = report(root, episodes=[Episode("a-rather-long-name-of-an-arm-0, seed 0: why", felt, 1)])
    (tmp_path / "inner.html").write_text(page.read_text().replace("</body>", f"{told}</body>"))
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<!doctype html><iframe src='inner.html' width='360' height='600' style='border:0'></iframe><pre></pre>"
        "<script>onmessage = e => document.querySelector('pre').textContent = e.data.join(' of ')</script>"
    )
    became, console = browse(outer, tmp_path)
    assert console == []
    wide, room = map(int, re.findall(r"<pre>(\d+) of (\d+)</pre>", became)[0])
    assert wide == room <= 360
