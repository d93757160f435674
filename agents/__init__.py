"""Agents that feel: the same affect on tables, and on Stable-Baselines3's verbs."""

from emotional_ed.agents.emotional_q import EmotionalQ as EmotionalQ
from emotional_ed.agents.episodes import EPISODE_DTYPE as EPISODE_DTYPE
from emotional_ed.agents.errors import CheckpointError as CheckpointError
from emotional_ed.agents.tensorboard import tensorboard_logger as tensorboard_logger
