"""Studies: arms, seeds and budgets as data, run into folders that hold all it takes to repeat them."""

from emotional_ed.experiments.arms import LADDER as LADDER
from emotional_ed.experiments.arms import leave_one_out as leave_one_out
from emotional_ed.experiments.run_folder import RunFolder as RunFolder
from emotional_ed.experiments.study import Study as Study
from emotional_ed.experiments.study import run_study as run_study
from emotional_ed.experiments.train import TrainSpec as TrainSpec
from emotional_ed.experiments.train import train as train
