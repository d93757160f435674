"""From run folders to statistics that say how sure they are, and to pictures."""

from emotional_ed.analysis.compare import ArmSummary as ArmSummary
from emotional_ed.analysis.compare import compare as compare
from emotional_ed.analysis.curves import Curve as Curve
from emotional_ed.analysis.curves import learning_curve as learning_curve
from emotional_ed.analysis.load import Run as Run
from emotional_ed.analysis.load import load_run as load_run
from emotional_ed.analysis.load import load_study as load_study
from emotional_ed.analysis.statistics import Estimate as Estimate
from emotional_ed.analysis.statistics import estimate as estimate
from emotional_ed.analysis.statistics import iqm as iqm
from emotional_ed.analysis.table import markdown_table as markdown_table
