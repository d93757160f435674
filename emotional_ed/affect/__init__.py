"""Affect: surprise at level 0, emotions at level 1, mood and what it recalls at level 2.

One file a channel. `channel.py` says what they have in common, `config.py` which ones an agent has,
`system.py` runs them.
"""

from emotional_ed.affect.anger import AngerConfig as AngerConfig
from emotional_ed.affect.arousal import ArousalConfig as ArousalConfig
from emotional_ed.affect.attachment import AttachmentConfig as AttachmentConfig
from emotional_ed.affect.channel import Channel as Channel
from emotional_ed.affect.channel import ChannelConfig as ChannelConfig
from emotional_ed.affect.channel import Prospect as Prospect
from emotional_ed.affect.channel import Setting as Setting
from emotional_ed.affect.config import AffectConfig as AffectConfig
from emotional_ed.affect.curiosity import CuriosityConfig as CuriosityConfig
from emotional_ed.affect.drive import Drive as Drive
from emotional_ed.affect.fear import FearConfig as FearConfig
from emotional_ed.affect.joy import JoyConfig as JoyConfig
from emotional_ed.affect.mood import MoodConfig as MoodConfig
from emotional_ed.affect.recall import RecallConfig as RecallConfig
from emotional_ed.affect.regret import RegretConfig as RegretConfig
from emotional_ed.affect.salience import SalienceConfig as SalienceConfig
from emotional_ed.affect.spectrum import SpectrumConfig as SpectrumConfig
from emotional_ed.affect.surprise import SurpriseConfig as SurpriseConfig
from emotional_ed.affect.system import AffectSystem as AffectSystem
from emotional_ed.affect.system import Experience as Experience
from emotional_ed.affect.temperament import TemperamentConfig as TemperamentConfig
from emotional_ed.affect.weights import WeightsConfig as WeightsConfig
