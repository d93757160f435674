"""Stable-Baselines3's logger, writing TensorBoard events straight into a folder."""

from __future__ import annotations

import os

from stable_baselines3.common.logger import Logger, make_output_format


def tensorboard_logger(folder: str | os.PathLike[str]) -> Logger:
    """Return a logger whose events land in `folder` itself, so that the folder's name is the run's."""
    path = os.fspath(folder)
    return Logger(folder=path, output_formats=[make_output_format("tensorboard", path)])
