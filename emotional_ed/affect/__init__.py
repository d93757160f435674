"""Affect: surprise at level 0, fear and anger at level 1, mood, temperament and recall at level 2."""

from emotional_ed.affect.anger import AngerConfig as AngerConfig
from emotional_ed.affect.arousal import ArousalConfig as ArousalConfig
from emotional_ed.affect.channel import Channel as Channel
from emotional_ed.affect.channel import Drive as Drive
from emotional_ed.affect.config import AffectConfig as AffectConfig
from emotional_ed.affect.fear import FearConfig as FearConfig
from emotional_ed.affect.mood import MoodConfig as MoodConfig
from emotional_ed.affect.recall import RecallConfig as RecallConfig
from emotional_ed.affect.surprise import SurpriseConfig as SurpriseConfig
from emotional_ed.affect.system import AffectSystem as AffectSystem
from emotional_ed.affect.system import Experience as Experience
from emotional_ed.affect.temperament import TemperamentConfig as TemperamentConfig
