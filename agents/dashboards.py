"""What TensorBoard shows beside curves: a table of settings, and charts that lay all arms over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from emotional_ed.agents.signal_log import TAGS

METRICS = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/catastrophes_per_1000_steps")
"""Tags whose last value the table of settings shows, an arm a row."""
_LEVELS = {"level0/": "Level 0", "level1/": "Level 1: emotions", "level2/": "Level 2: mood"}
_NOT_SETTINGS = ("versions", "revision", "command")


def layout() -> dict[str, dict[str, list[Any]]]:
    """Return the charts of the Custom Scalars dashboard: category -> title -> kind and tags.

    Each chart shows one tag of every run, so that the arms of a study lie over each other. It is the same for
    all agents and arms; what an arm lacks has no line.
    """
    charts: dict[str, dict[str, list[Any]]] = {
        "Returns": {tag.split("/")[1]: _overlay(tag) for tag in METRICS}
    }
    for prefix, title in _LEVELS.items():
        tags = [tag for tag in TAGS.values() if tag.startswith(prefix)]
        charts[title] = {tag.removeprefix(prefix): _overlay(tag) for tag in tags}
    charts["More"] = {
        "updates of each level": ["Multiline", ["^updates/"]],
        "learned weights": ["Multiline", ["^weights/"]],
        "channels of one's own": ["Multiline", ["^own/"]],
    }
    return charts


def _overlay(tag: str) -> list[Any]:
    return ["Multiline", [f"^{tag}$"]]  # a pattern: without the ends it would match longer tags too


def flat_settings(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | float]:
    """Return nested settings as dotted name -> number or text, which is all that TensorBoard's table knows.

    What an agent lacks is "none"; an affect that it has is "on", beside its own settings. Versions, revision
    and command are left out: they are no settings.
    """
    flat: dict[str, str | float] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in _NOT_SETTINGS:
            continue
        if value is None or value in ({}, [], ()):
            flat[name] = "none"
        elif isinstance(value, Mapping):
            flat |= {name: "on"} if prefix == "affect." else {}
            flat |= flat_settings(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            flat[name] = float(value)
        else:
            flat[name] = str(value)
    return flat


def add_dashboards(logger: Logger, settings: Mapping[str, Any]) -> None:
    """Write the layout and a run's settings beside its curves; a logger without TensorBoard is left as it is.

    Args:
        logger: Stable-Baselines3's, of any agent.
        settings: nested or flat, e.g. `TrainSpec.to_dict()`; see `flat_settings`.
    """
    for output in logger.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            output.writer.add_custom_scalars(layout())
            table = hparams(flat_settings(settings), dict.fromkeys(METRICS, 0.0))  # type: ignore[no-untyped-call]
            for summary in table[:2]:  # what is asked and what the run has; its end is not known yet
                _file_of(output.writer).add_summary(summary)
            output.writer.flush()


def _file_of(writer: SummaryWriter) -> Any:
    return writer._get_file_writer()  # type: ignore[no-untyped-call]


@final
class Dashboards(BaseCallback):
    """Stable-Baselines3's callback that writes both when training starts, for its own agents and ours.

    Args:
        settings: what the table shows; by default class, seed, discount and number of environments.

    Example:
        >>> from stable_baselines3 import DQN
        >>> from emotional_ed.agents.dashboards import Dashboards
        >>> model = DQN("MlpPolicy", "CartPole-v1", seed=0).learn(10, callback=Dashboards({"arm": "plain"}))
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.settings = settings

    def _on_training_start(self) -> None:
        own = {
            "agent": type(self.model).__name__,
            "seed": self.model.seed,
            "discount": getattr(self.model, "gamma", None),
            "environments": self.model.n_envs,
        }
        add_dashboards(self.logger, own if self.settings is None else self.settings)

    def _on_step(self) -> bool:
        return True
