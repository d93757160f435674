"""Optimizers whose momentum is an associative memory of gradients, each a true `torch.optim.Optimizer`."""

from emotional_ed.optim._delta import DeltaMomentum as DeltaMomentum
from emotional_ed.optim._m3 import M3 as M3
from emotional_ed.optim._m3 import newton_schulz as newton_schulz
from emotional_ed.optim._mlp import MLPMomentum as MLPMomentum
from emotional_ed.optim._momentum import MomentumMemory as MomentumMemory
from emotional_ed.optim._preconditioned import PreconditionedMomentum as PreconditionedMomentum
