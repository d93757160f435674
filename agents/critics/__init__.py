"""Critics: ways to value actions. Q-learning is ours by default; the others are rivals to compare with."""

from emotional_ed.agents.critics.critic import Critic as Critic
from emotional_ed.agents.critics.expected_sarsa import ExpectedSarsa as ExpectedSarsa
from emotional_ed.agents.critics.expected_sarsa import ExpectedSarsaConfig as ExpectedSarsaConfig
from emotional_ed.agents.critics.full_feedback import FullFeedback as FullFeedback
from emotional_ed.agents.critics.full_feedback import FullFeedbackConfig as FullFeedbackConfig
from emotional_ed.agents.critics.intrinsic_fear import IntrinsicFear as IntrinsicFear
from emotional_ed.agents.critics.intrinsic_fear import IntrinsicFearConfig as IntrinsicFearConfig
from emotional_ed.agents.critics.penalised import Penalised as Penalised
from emotional_ed.agents.critics.penalised import PenalisedConfig as PenalisedConfig
from emotional_ed.agents.critics.q_learning import QLearning as QLearning
from emotional_ed.agents.critics.q_learning import QLearningConfig as QLearningConfig
from emotional_ed.agents.critics.quantile import Quantile as Quantile
from emotional_ed.agents.critics.quantile import QuantileConfig as QuantileConfig
