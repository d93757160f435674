"""Deep agents that feel, under Stable-Baselines3's verbs and with its parts."""

from emotional_ed.agents.deep.checkpoints import Checkpoints as Checkpoints
from emotional_ed.agents.deep.deep_sleep import DeepSleepConfig as DeepSleepConfig
from emotional_ed.agents.deep.emotional_dqn import EmotionalDQN as EmotionalDQN
from emotional_ed.agents.deep.emotional_qrdqn import EmotionalQRDQN as EmotionalQRDQN
from emotional_ed.agents.deep.emotional_sac import EmotionalSAC as EmotionalSAC
from emotional_ed.agents.deep.errors import CompileError as CompileError
from emotional_ed.agents.deep.errors import NotFiniteError as NotFiniteError
from emotional_ed.agents.deep.head_log import HeadLog as HeadLog
