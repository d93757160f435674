"""Agents that feel: the same affect on tables, and on Stable-Baselines3's verbs."""

from emotional_ed.agents.deep import EmotionalDQN as EmotionalDQN
from emotional_ed.agents.deep import EmotionalQRDQN as EmotionalQRDQN
from emotional_ed.agents.deep import EmotionalSAC as EmotionalSAC
from emotional_ed.agents.emotional_q import EmotionalQ as EmotionalQ
from emotional_ed.agents.episodes import EPISODE_DTYPE as EPISODE_DTYPE
from emotional_ed.agents.errors import CheckpointError as CheckpointError
from emotional_ed.agents.features import Coding as Coding
from emotional_ed.agents.features import Factors as Factors
from emotional_ed.agents.features import Features as Features
from emotional_ed.agents.features import OneHot as OneHot
from emotional_ed.agents.features import features_for as features_for
from emotional_ed.agents.level0 import LevelZero as LevelZero
from emotional_ed.agents.member import load_member as load_member
from emotional_ed.agents.member import save_member as save_member
from emotional_ed.agents.recency import RecencyBonus as RecencyBonus
from emotional_ed.agents.sleep import SleepConfig as SleepConfig
from emotional_ed.agents.sweeping import SweepingConfig as SweepingConfig
from emotional_ed.agents.td_priorities import PrioritizeByTDError as PrioritizeByTDError
from emotional_ed.agents.tensorboard import tensorboard_logger as tensorboard_logger
from emotional_ed.agents.tile_coding import TileCoding as TileCoding
from emotional_ed.agents.trace import Trace as Trace
