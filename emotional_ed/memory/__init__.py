"""Associative memories: matrices that map keys to values and are written by small optimization steps."""

from emotional_ed.memory._module import AssociativeMemory as AssociativeMemory
from emotional_ed.memory._onehot import read_onehot as read_onehot
from emotional_ed.memory._onehot import write_onehot as write_onehot
from emotional_ed.memory._rules import modulate_share as modulate_share
from emotional_ed.memory._rules import read as read
from emotional_ed.memory._rules import write as write
from emotional_ed.memory._validation import value_checks as value_checks
