"""Levels: components with their own clocks, ordered by update frequency and by dependency."""

from emotional_ed.nested._clock import Clock as Clock
from emotional_ed.nested._level import Level as Level
from emotional_ed.nested._level import Signals as Signals
from emotional_ed.nested._order import execution_order as execution_order
from emotional_ed.nested._order import rank as rank
from emotional_ed.nested._system import NestedSystem as NestedSystem
from emotional_ed.nested._transfer import Delivery as Delivery
from emotional_ed.nested._transfer import Parameters as Parameters
from emotional_ed.nested._transfer import Source as Source
from emotional_ed.nested._transfer import Transfer as Transfer
from emotional_ed.nested._transfer import backpropagation as backpropagation
from emotional_ed.nested._transfer import conditioning as conditioning
from emotional_ed.nested._transfer import generation as generation
from emotional_ed.nested._transfer import initialisation as initialisation
from emotional_ed.nested._transfer import parametric as parametric
