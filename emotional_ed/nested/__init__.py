"""Levels: components with their own clocks, ordered by update frequency and by dependency."""

from emotional_ed.nested._clock import Clock as Clock
from emotional_ed.nested._level import Level as Level
from emotional_ed.nested._level import Signals as Signals
from emotional_ed.nested._order import execution_order as execution_order
from emotional_ed.nested._system import NestedSystem as NestedSystem
