"""What our deep agents are compared with: other people's methods, as parts that fit any DQN."""

from emotional_ed.agents.deep.rivals.cvar import CVaRPolicy as CVaRPolicy
from emotional_ed.agents.deep.rivals.cvar import careful_qrdqn as careful_qrdqn
from emotional_ed.agents.deep.rivals.ez_greedy import EZGreedyDQN as EZGreedyDQN
from emotional_ed.agents.deep.rivals.intrinsic_fear import IntrinsicFearBuffer as IntrinsicFearBuffer
from emotional_ed.agents.deep.rivals.resets import Resets as Resets
