"""The charts of a report: estimates, learning curves, performance profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotional_ed.analysis import charts
from emotional_ed.analysis.compare import final_returns
from emotional_ed.analysis.curves import Curve, learning_curve
from emotional_ed.analysis.figures import decimals, show
from emotional_ed.analysis.findings import Findings
from emotional_ed.analysis.markup import Markup, element, together
from emotional_ed.analysis.profiles import performance_profile

_COLOURS = 6
_MANY = 5  # arms above which bands are fainter


def arm_classes(findings: Findings, task: str) -> list[str]:
    """Return colour and dash of each arm, up to 18; the baseline is black on light, white on dark."""
    names = [run.name for run in findings.runs_of(task)]
    others = [name for name in names if name != findings.baseline]
    classes = []
    for name in names:
        place = others.index(name) if name in others else -1
        dash = (place + place // _COLOURS) % 3  # arms that agree lie over each other: both stay visible
        classes.append("b" if place < 0 else f"a{place % _COLOURS}" + (f" dash{dash}" if dash else ""))
    return classes


def forest(findings: Findings, task: str) -> Markup:
    """Return a row an arm: its seeds, its interval, its estimate."""
    found = findings.summaries_of(task)
    scores = [final_returns(run) for run in findings.runs_of(task)]
    ends = [end for one in found if one.final.bounded for end in (one.final.low, one.final.high)]
    across = charts.spanning(*scores, ends)
    places = decimals(one.final.value for one in found)
    rows = []
    for one, seen, class_ in zip(found, scores, arm_classes(findings, task), strict=True):
        final = one.final
        drawn = charts.whisker(seen, final.value, final.low, final.high, across, class_)
        strip, figures = element("div", drawn, class_="strip"), element("span", show(final, places))
        rows.append(element("div", element("b", one.arm), strip, figures, class_="row"))
    return element("div", *rows, charts.ruler(across), class_="forest")


def curves(findings: Findings, task: str) -> Markup:
    """Return all arms' learning curves in one chart, and each arm's seeds in one of its own."""
    runs, classes = findings.runs_of(task), arm_classes(findings, task)
    names = [run.name for run in runs]
    drawn = [learning_curve(run) for run in runs]
    across = charts.Scale(0.0, max(float(curve.steps[-1]) for curve in drawn))
    up = charts.spanning(*(part for c in drawn for part in (c.value, c.low, c.high)), cut=0.01)
    parts = [
        charts.band(c.steps, c.low, c.high, across, up, f"band {k}")
        for c, k in zip(drawn, classes, strict=True)
    ]
    parts += [
        charts.line(c.steps, c.value, across, up, f"curve {k}") for c, k in zip(drawn, classes, strict=True)
    ]
    overlay = charts.plot(
        parts, across, up,
        x_title="steps", y_title="return of an episode (IQM over seeds, 95 % interval)",
        label=f"Learning curves of {', '.join(names)}",
    )  # fmt: skip
    plain = next((c for c, name in zip(drawn, names, strict=True) if name == findings.baseline), None)
    tall = charts.spanning(*(curve.members for curve in drawn), cut=0.003)
    panels = [
        _panel(name, c, k, plain, across, tall) for name, c, k in zip(names, drawn, classes, strict=True)
    ]
    apart = f"Each arm by itself, on one scale: every thin line is a seed; dashed is {findings.baseline}."
    return together(
        _card(names, classes, overlay),
        element("p", apart, class_="soft"),
        element("div", element("div", *panels, class_="many"), class_="card"),
    )


def _card(names: Sequence[str], classes: Sequence[str], drawn: Markup) -> Markup:
    return element(
        "div", charts.legend(names, classes), drawn, class_="card faint" if len(names) > _MANY else "card"
    )


def _panel(
    name: str, curve: Curve, class_: str, plain: Curve | None, across: charts.Scale, up: charts.Scale
) -> Markup:
    parts = [charts.lines(curve.steps, curve.members, across, up, f"run {class_}")]
    if plain is not None and plain is not curve:
        parts.append(charts.line(plain.steps, plain.value, across, up, "reference"))
    parts.append(charts.line(curve.steps, curve.value, across, up, f"curve {class_.split()[0]}"))
    drawn = charts.plot(parts, across, up, x_title="", y_title="", label=f"Every seed of {name}", small=True)
    return element("div", element("h4", name), drawn)


def profiles(findings: Findings, task: str) -> Markup:
    """Return the share of seeds above each return."""
    runs, classes = findings.runs_of(task), arm_classes(findings, task)
    names = [run.name for run in runs]
    scores = [final_returns(run) for run in runs]
    across, up = charts.spanning(*scores), charts.Scale(-0.02, 1.02)
    tau = np.linspace(across.low, across.high, 160)
    pairs = [(performance_profile(seen, tau), k) for seen, k in zip(scores, classes, strict=True)]
    parts = [charts.band(tau, p.low, p.high, across, up, f"band {k}") for p, k in pairs]
    parts += [charts.line(tau, p.value, across, up, f"curve {k}") for p, k in pairs]
    drawn = charts.plot(
        parts, across, up,
        x_title="return, second half of training", y_title="share of seeds above it (95 % band)",
        label=f"Performance profiles of {', '.join(names)}",
    )  # fmt: skip
    return _card(names, classes, drawn)
