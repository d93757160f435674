"""Deep agents that feel, under Stable-Baselines3's verbs and with its parts."""

from emotional_ed.agents.deep.checkpoints import Checkpoints as Checkpoints
from emotional_ed.agents.deep.emotional_dqn import EmotionalDQN as EmotionalDQN
from emotional_ed.agents.deep.errors import NotFiniteError as NotFiniteError
