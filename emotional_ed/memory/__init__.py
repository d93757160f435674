"""Associative memories: matrices that map keys to values and are written by small optimization steps."""

from emotional_ed.memory._attributes import QuickModule as QuickModule
from emotional_ed.memory._chain import ContinuumChain as ContinuumChain
from emotional_ed.memory._chunk import write_chunk as write_chunk
from emotional_ed.memory._continuum import ContinuumMemory as ContinuumMemory
from emotional_ed.memory._entry import Entry as Entry
from emotional_ed.memory._mlp import MLPMemory as MLPMemory
from emotional_ed.memory._module import AssociativeMemory as AssociativeMemory
from emotional_ed.memory._multihot import read_multihot as read_multihot
from emotional_ed.memory._multihot import share_per_feature as share_per_feature
from emotional_ed.memory._multihot import write_multihot as write_multihot
from emotional_ed.memory._onehot import read_onehot as read_onehot
from emotional_ed.memory._onehot import write_onehot as write_onehot
from emotional_ed.memory._rules import modulate_share as modulate_share
from emotional_ed.memory._rules import read as read
from emotional_ed.memory._rules import update_metric as update_metric
from emotional_ed.memory._rules import write as write
from emotional_ed.memory._selfmod import SelfModifyingMemory as SelfModifyingMemory
from emotional_ed.memory._selfmod import SelfModifyingState as SelfModifyingState
from emotional_ed.memory._selfmod import write_self as write_self
from emotional_ed.memory._stepsize import HypergradientMemory as HypergradientMemory
from emotional_ed.memory._stepsize import IDBDMemory as IDBDMemory
from emotional_ed.memory._validation import value_checks as value_checks
