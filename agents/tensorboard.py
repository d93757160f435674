"""Stable-Baselines3's logger, writing TensorBoard events straight into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.logger import Logger, make_output_format

from emotional_ed.agents.dashboards import add_dashboards


def tensorboard_logger(folder: str | os.PathLike[str], settings: Mapping[str, Any] | None = None) -> Logger:
    """Return a logger whose events land in `folder` itself, so that the folder's name is the run's.

    Args:
        folder: of the run.
        settings: what the run's row in the table of settings shows (see `add_dashboards`); None: no row.
    """
    path = os.fspath(folder)
    logger = Logger(folder=path, output_formats=[make_output_format("tensorboard", path)])
    if settings is not None:
        add_dashboards(logger, settings)
    return logger
