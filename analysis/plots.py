"""Pictures of studies, for which matplotlib is needed (extra `[plots]`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotional_ed.analysis.curves import learning_curve
from emotional_ed.analysis.run import Run
from emotional_ed.analysis.small_png import save_small

# Colours that stay apart for colour-blind eyes (Okabe and Ito).
_ARMS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_CHANNELS = {"anger": "#E69F00", "mood": "#0072B2", "fear": "#CC2277"}  # drawn in this order


def plot_study(
    studies: Mapping[str, Sequence[Run]],
    timeline: Mapping[str, NDArray[Any]],
    path: str | os.PathLike[str],
    *,
    timeline_title: str = "",
) -> Path:
    """Save learning curves, a panel a task, above one episode's affect over time.

    Args:
        studies: task -> its runs, one an arm.
        timeline: signal -> its value at each step of one episode, [T]; and "reward".
        path: where the PNG goes.
        timeline_title: what the episode is.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("plots: got no matplotlib, expected pip install 'emotional-ed[plots]'") from None
    figure = Figure(figsize=(4.6 * len(studies), 7.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.25, 1))  # type: ignore[misc]
    axes = np.atleast_1d(upper.subplots(1, len(studies)))
    for axis, (task, runs) in zip(axes, studies.items(), strict=True):
        _plot_curves(axis, task, runs)
    axes[0].set_ylabel("return of an episode (IQM, 95 % interval)")
    axes[0].legend(loc="lower right", fontsize=8, frameon=False)
    _plot_timeline(lower.subplots(), timeline, timeline_title)
    return save_small(figure, path)


def _plot_curves(axis: Any, task: str, runs: Sequence[Run]) -> None:
    seen = []
    for i, run in enumerate(runs):
        curve, colour = learning_curve(run), _ARMS[i % len(_ARMS)]
        axis.plot(curve.steps, curve.members.T, color=colour, alpha=0.08, linewidth=0.5)
        style = "--" if i % 2 else "-"  # arms that agree stay visible
        axis.plot(curve.steps, curve.value, style, color=colour, label=run.name, zorder=3 + i % 2)
        axis.fill_between(curve.steps, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
        seen.append(curve.value[np.isfinite(curve.value)])
    known = np.concatenate(seen) if seen else np.zeros(0)
    if len(known):  # the first spans of a hard task would squash all the rest
        low, high = np.quantile(known, 0.05), known.max()
        margin = 0.15 * max(high - low, 1e-9)
        axis.set_ylim(low - margin, high + margin)
    axis.set_title(f"{task}\n{runs[0].population} seeds an arm", fontsize=10)
    axis.set_xlabel("steps of each member")


def _plot_timeline(axis: Any, timeline: Mapping[str, NDArray[Any]], title: str) -> None:
    steps = np.arange(1, len(timeline["reward"]) + 1)
    for name, colour in _CHANNELS.items():
        axis.plot(steps, timeline[name], color=colour, label=name, linewidth=1.2)
    bites = steps[timeline["catastrophe"].astype(bool)]
    axis.plot(bites, np.full(len(bites), -1.0), "x", color="black", label="catastrophe", markersize=5)
    axis.set_ylim(-1.1, 1.1)
    axis.axhline(0, color="#cccccc", linewidth=0.8, zorder=0)
    axis.set_xlabel("step of the episode")
    axis.set_ylabel("strength")
    axis.set_title(title, fontsize=10)
    axis.legend(loc="upper right", fontsize=8, ncols=4, frameon=False)
