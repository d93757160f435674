"""Studies: arms, seeds and budgets as data, run into folders that hold all it takes to repeat them.

What is named here is imported when it is first asked for, so that the command answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotional_ed.experiments.arms import LADDER as LADDER
    from emotional_ed.experiments.arms import controls as controls
    from emotional_ed.experiments.arms import leave_one_out as leave_one_out
    from emotional_ed.experiments.run_folder import RunFolder as RunFolder
    from emotional_ed.experiments.study import Study as Study
    from emotional_ed.experiments.study import run_study as run_study
    from emotional_ed.experiments.train import TrainSpec as TrainSpec

_HOME = {
    "LADDER": "arms",
    "RunFolder": "run_folder",
    "Study": "study",
    "TrainSpec": "train",
    "controls": "arms",
    "leave_one_out": "arms",
    "run_study": "study",
}
__all__ = ["LADDER", "RunFolder", "Study", "TrainSpec", "controls", "leave_one_out", "run_study"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
