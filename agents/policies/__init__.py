"""Policies: ways to choose an action. Epsilon-greedy is ours by default; the others are rivals."""

from emotional_ed.agents.policies.epsilon_greedy import EpsilonGreedy as EpsilonGreedy
from emotional_ed.agents.policies.epsilon_greedy import EpsilonGreedyConfig as EpsilonGreedyConfig
from emotional_ed.agents.policies.ez_greedy import EZGreedy as EZGreedy
from emotional_ed.agents.policies.ez_greedy import EZGreedyConfig as EZGreedyConfig
from emotional_ed.agents.policies.near_greedy import NearGreedy as NearGreedy
from emotional_ed.agents.policies.near_greedy import NearGreedyConfig as NearGreedyConfig
from emotional_ed.agents.policies.policy import Policy as Policy
from emotional_ed.agents.policies.softmax import Softmax as Softmax
from emotional_ed.agents.policies.softmax import SoftmaxConfig as SoftmaxConfig
from emotional_ed.agents.policies.sticky import Sticky as Sticky
from emotional_ed.agents.policies.sticky import StickyConfig as StickyConfig
