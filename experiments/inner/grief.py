"""Grief at work: the slow memory is shielded when a source of reward is lost, and outlives its absence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from emotional_ed.affect import AffectConfig, AttachmentConfig
from emotional_ed.agents import EmotionalQ
from emotional_ed.analysis.events import around, cut_out
from emotional_ed.analysis.panels import Panel
from emotional_ed.envs.vanishing_source import RETURNING, RICH
from emotional_ed.experiments.contests.tasks import TASKS
from emotional_ed.experiments.inner.record import Life, Record, Scope
from emotional_ed.experiments.inner.scene import Scene, course, single

_PERIOD = 100  # episodes of a phase
_TASK = TASKS["vanishing-source"]
_BESIDE, _LEFT = RICH + 1, 3  # the cell beside the rich source, and the action that enters it
_BEFORE, _AFTER = 20, 100


def look(model: EmotionalQ) -> Mapping[str, Tensor]:
    """Return what the step into the rich source is worth to the slow and to the fast memory, [P] each."""
    slow = model.affect.level("attachment").memory.M[:, _LEFT, _BESIDE]
    return {"slow": slow, "fast": model.mind.critic.memory.M[:, _LEFT, _BESIDE]}


def _life(mourning: float) -> Life:
    attachment = AttachmentConfig(mourning=mourning, yearning=0.03, decay=0.0)
    affect = dataclasses.replace(AffectConfig.levels(0), attachment=attachment)
    return Life(task=_TASK, affect=affect, step_size=0.2, exploration=0.1, look=look, signals=("grief",))


def phases(record: Record, there: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return episode and member where the rich source vanished, or came back, in phases lived to the end."""
    lived = record["done"].sum(0)
    pattern = np.array(RETURNING)
    pairs = []
    for member, number in enumerate(lived):
        for phase in range(1, int(number) // _PERIOD):
            before, now = pattern[[(phase - 1) % len(pattern), phase % len(pattern)]]
            if now == there and before != there:
                pairs.append((phase * _PERIOD, member))
    when, who = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return when, who


def attached(
    rich: NDArray[np.float64], when: NDArray[np.int64], who: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep the losses of those who went to the source in half or more of the 20 episodes before.

    Raises:
        ValueError: there is none.
    """
    went = cut_out(rich, when, who, _BEFORE, 0)[:, :_BEFORE].mean(-1) >= 0.5
    if not went.any():
        raise ValueError(f"losses: got {len(when)} of nobody attached, expected longer lives or more members")
    return when[went], who[went]


def grief(scope: Scope) -> Scene:
    """Attachment aligned at the loss of a source, beside the same without mourning."""
    lives = {"grief": _life(AttachmentConfig.mourning).record(scope), "griefless": _life(0.0).record(scope)}
    losses = {
        kind: attached(_at_rich(record), *phases(record, there=False)) for kind, record in lives.items()
    }
    returns = {kind: phases(record, there=True) for kind, record in lives.items()}
    felt = around(lives["grief"].by_episode("grief", "mean"), *losses["grief"], _BEFORE, _AFTER - 1)
    worth = {
        (kind, name): around(lives[kind].by_episode(name), *losses[kind], _BEFORE, _AFTER - 1)
        for kind in lives
        for name in ("slow", "fast")
    }
    rich = {kind: _at_rich(record) for kind, record in lives.items()}
    visits = {kind: around(rich[kind], *losses[kind], _BEFORE, _AFTER - 1) for kind in lives}
    back = {kind: around(rich[kind], *returns[kind], _BEFORE, _AFTER - 1) for kind in lives}
    panels = [
        Panel(
            title="Grief rises when the source is found empty",
            across="episodes from the loss",
            up="grief, 0 to 1 (mean of an episode)",
            lines=[course(felt, label="grief"), single(felt)],
            moment=0.0,
            moment_label="source vanishes",
            shaded=[(0, _AFTER)],
            limits=(0.0, 1.15),
        ),
        Panel(
            title="What the lost source is still worth to the agent",
            across="episodes from the loss",
            up="value of the step into it",
            lines=[
                course(worth["grief", "slow"], label="slow memory, shielded by grief"),
                course(worth["griefless", "slow"], label="slow memory without grief", role="control"),
                course(worth["grief", "fast"], label="fast memory", role="other"),
            ],
            moment=0.0,
            shaded=[(0, _AFTER)],
            limits=(-0.05, 1.45),
            legend="upper right",
        ),
        Panel(
            title="Visits while it is gone cost 0.4 each ...",
            across="episodes from the loss",
            up="share that go there",
            lines=[
                course(visits["grief"], label="with grief"),
                course(visits["griefless"], label="without grief", role="control"),
            ],
            moment=0.0,
            shaded=[(0, _AFTER)],
        ),
        Panel(
            title="... and tell when it is back",
            across="episodes from the return",
            up="share that go there",
            lines=[
                course(back["grief"], label="with grief"),
                course(back["griefless"], label="without grief", role="control"),
            ],
            moment=0.0,
            moment_label="source returns",
            shaded=[(-_BEFORE, 0)],
        ),
    ]
    end = _BEFORE + _AFTER - 1
    numbers = {
        "losses": float(len(losses["grief"][0])),
        "calm": float(felt.mean[:_BEFORE].mean()),
        "peak": float(felt.mean[_BEFORE:].max()),
        "half_at": float((felt.mean[_BEFORE:] > felt.mean[_BEFORE:].max() / 2).argmax()),
        "left": float(felt.mean[-1]),
        "kept": 100 * _kept(worth["grief", "slow"].mean, end),
        "kept_griefless": 100 * _kept(worth["griefless", "slow"].mean, end),
        "kept_fast": 100 * _kept(worth["grief", "fast"].mean, end),
        "back": 100 * float(back["grief"].mean[-20:].mean()),
        "back_griefless": 100 * float(back["griefless"].mean[-20:].mean()),
        "earned": float(_earned(lives["grief"]).mean()),
        "earned_griefless": float(_earned(lives["griefless"]).mean()),
    }
    return Scene(
        title="Grief: a rich source of reward vanishes and comes back",
        panels=panels,
        numbers=numbers,
        says="Over {losses:.0f} losses, by members who had gone to the source before, grief rose from "
        "{calm:.2f} to {peak:.2f}, half "
        "of it within {half_at:.0f} episodes, and was {left:.2f} a hundred episodes after. Then the "
        "slow memory still held {kept:.0f} % of what the source had been "
        "worth, without mourning {kept_griefless:.0f} %, the fast memory {kept_fast:.0f} %. Eighty to a "
        "hundred episodes "
        "after its return {back:.0f} % of episodes went there, without mourning {back_griefless:.0f} %. "
        "The mean return "
        "of an episode was {earned:.3f} with grief and {earned_griefless:.3f} without.",
        settings=f"vanishing-source, {_TASK.steps} steps, step size 0.2, exploration 0.1, yearning "
        f"0.03, fast values "
        "do not fall back to slow ones; without mourning: mourning 0",
    )


def _at_rich(record: Record) -> NDArray[np.float64]:
    """Return which episodes ended at the rich source, [N, P]."""
    return dataclasses.replace(
        record, columns={**record.columns, "rich": record["reached"] == RICH}
    ).by_episode("rich")


def _kept(worth: NDArray[np.float64], end: int) -> float:
    """Return what is left at the end of the worth just before the loss."""
    return float(worth[end] / worth[_BEFORE - 1])


def _earned(record: Record) -> NDArray[np.float64]:
    """Return each member's mean return of an episode, [P]."""
    return np.asarray(np.nanmean(record.by_episode("reward", "sum"), axis=0))
