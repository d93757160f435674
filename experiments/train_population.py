"""Train a population in a run folder, from its checkpoint if there is one."""

from __future__ import annotations

import contextlib
from typing import Any

from emotional_ed.agents import CheckpointError, EmotionalQ, tensorboard_logger
from emotional_ed.experiments.keeper import Ear, Keeper
from emotional_ed.experiments.run_folder import Mark, RunFolder
from emotional_ed.experiments.train import TrainSpec

_INTERVAL = 500  # steps of each member between two points in the log


def fit_population(spec: TrainSpec, folder: RunFolder, ear: Ear) -> bool:
    """Train; return whether it was finished, and not stopped by `ear`.

    Stopped by an error, it keeps the episodes so far; and the checkpoint, if there is none better.

    Raises:
        OSError: the folder cannot be written; what was written before is left as it is.
    """
    model, before = _go_on(spec, folder, ear)
    first = folder.episodes  # written by earlier attempts
    keeper = Keeper(folder, ear, before, exact=model.require_env().state() is not None)
    model.set_logger(tensorboard_logger(folder.path, spec.to_dict()))
    if before is not None:
        forget_events_after(model.logger, before.step)

    def keep(agent: EmotionalQ) -> bool:
        last = agent.num_timesteps == spec.steps
        if last or keeper.is_due():
            fallen = int(agent.catastrophes.sum())
            due = keeper.look(agent.num_timesteps, agent.episodes_after(folder.episodes - first), fallen)
            if due or last:
                keeper.save(agent.num_timesteps, fallen, lambda: agent.save(folder.path / "checkpoint"))
        return not keeper.stopped

    try:
        model.learn(spec.steps - model.num_timesteps, callback=keep, log_interval=_INTERVAL)
        if model.num_timesteps < spec.steps:
            return False
    except OSError:
        raise
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is told
            folder.append_episodes(model.episodes_after(folder.episodes - first))
            if not keeper.has_exact:
                model.save(folder.path / "checkpoint")
        raise
    finally:
        with contextlib.suppress(OSError):
            model.logger.close()
        model.require_env().close()
    folder.write_result(
        {
            "steps": model.num_timesteps,
            "seconds": keeper.seconds,
            "episodes": folder.episodes,
            "catastrophes": model.catastrophes,
            "unfinished_return": model.unfinished_returns,
        }
    )
    return True


def _go_on(spec: TrainSpec, folder: RunFolder, ear: Ear) -> tuple[EmotionalQ, Mark | None]:
    """Return the population as its checkpoint has it, or a new one if one cannot go on from there."""
    path = folder.path / "checkpoint.safetensors"
    reason = "it has no checkpoint yet"
    if path.is_file():
        try:
            model = EmotionalQ.load(path, spec.world(), device=spec.device)
            before = folder.cut_back(model.num_timesteps)
            if before is not None and model.observation is not None:
                ear.note(f"goes on at step {before.step:,}")
                return model, before
            reason = f"its files do not belong to the checkpoint of step {model.num_timesteps:,}"
        except CheckpointError as error:
            reason = f"its checkpoint is damaged ({error})"
        except ValueError as error:
            reason = f"its world cannot be brought back ({error})"
    start_anew(folder, ear, reason)
    return spec.build(), None


def start_anew(folder: RunFolder, ear: Ear, reason: str) -> None:
    """Move what an earlier attempt left out of the way, and say so; the configuration stays."""
    config = folder.path / "config.json"
    text = config.read_bytes()
    if any(one.name != "config.json" and one.name[0] != "." for one in folder.path.iterdir()):
        aside = folder.set_aside()
        config.write_bytes(text)
        ear.note(f"starts anew, because {reason}; what there was is in {aside}")


def forget_events_after(logger: Any, step: int) -> None:
    """Tell readers of a TensorBoard log that what it holds after a step was lived again from there."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    for form in logger.output_formats:
        writer = getattr(form, "writer", None)
        if writer is not None:
            again = Event(step=step + 1, session_log=SessionLog(status=SessionLog.START))
            writer.file_writer.add_event(Event(step=step + 1, file_version="brain.Event:2"), step + 1)
            writer.file_writer.add_event(again, step + 1)
