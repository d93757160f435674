"""Studies: arms, seeds and budgets as data, run into folders that hold all it takes to repeat them.

What is named here is imported when it is first asked for, so that the command answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotional_ed.experiments.arms import LADDER as LADDER
    from emotional_ed.experiments.arms import arms_named as arms_named
    from emotional_ed.experiments.arms import controls as controls
    from emotional_ed.experiments.arms import leave_one_out as leave_one_out
    from emotional_ed.experiments.contests.arm import Range as Range
    from emotional_ed.experiments.reruns import rerun as rerun
    from emotional_ed.experiments.run_folder import RunFolder as RunFolder
    from emotional_ed.experiments.study import Study as Study
    from emotional_ed.experiments.study_runner import StudyTable as StudyTable
    from emotional_ed.experiments.study_runner import run_study as run_study
    from emotional_ed.experiments.train import TrainSpec as TrainSpec
    from emotional_ed.experiments.tuning import Tuning as Tuning

_HOME = {
    "LADDER": "arms",
    "Range": "contests.arm",
    "RunFolder": "run_folder",
    "Study": "study",
    "StudyTable": "study_runner",
    "TrainSpec": "train",
    "Tuning": "tuning",
    "arms_named": "arms",
    "controls": "arms",
    "leave_one_out": "arms",
    "rerun": "reruns",
    "run_study": "study_runner",
}
__all__ = [
    "LADDER", "Range", "RunFolder", "Study", "StudyTable", "TrainSpec", "Tuning", "arms_named", "controls",
    "leave_one_out", "rerun", "run_study",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
