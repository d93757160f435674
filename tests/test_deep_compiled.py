"""The part of a step that looks at nothing, as it is and compiled: the same numbers, one graph, clear refusals."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from test_deep_recall import Turns, by_chance
from test_deep_resume import assert_goes_on

from emotional_ed.affect import AffectConfig, Channel, ChannelConfig
from emotional_ed.affect.attachment import AttachmentConfig
from emotional_ed.affect.curiosity import CuriosityConfig
from emotional_ed.affect.joy import JoyConfig
from emotional_ed.affect.mood import MoodConfig
from emotional_ed.affect.salience import SalienceConfig
from emotional_ed.affect.spectrum import SpectrumConfig
from emotional_ed.affect.weights import WeightsConfig
from emotional_ed.agents import EmotionalDQN, EmotionalQRDQN
from emotional_ed.agents.deep import CompileError
from emotional_ed.agents.salience_buffer import SalienceReplayBuffer
from emotional_ed.memory import value_checks

SMALL: dict[str, Any] = {
    "learning_starts": 20, "buffer_size": 500, "batch_size": 8, "train_freq": 4, "gradient_steps": 1,
    "target_update_interval": 16, "exploration_fraction": 0.5, "learning_rate": 2e-3, "device": "cpu",
    "policy_kwargs": {"net_arch": [16]}, "seed": 3,
}  # fmt: skip
LEVEL2 = AffectConfig.levels(2)
RARE = dataclasses.replace(LEVEL2, mood=MoodConfig(period=3))  # a slow level that is often due
EVERYTHING = dataclasses.replace(
    LEVEL2, attachment=AttachmentConfig(), curiosity=CuriosityConfig(), joy=JoyConfig(),
    weights=WeightsConfig(), salience=SalienceConfig(), spectrum=SpectrumConfig(),
)  # fmt: skip

AGENTS: dict[str, Callable[..., Any]] = {
    "level 1": lambda **own: dqn(AffectConfig.levels(1), **own),
    "level 2": lambda **own: dqn(LEVEL2, **own),
    "a slow level": lambda **own: dqn(RARE, **own),
    "several environments": lambda **own: dqn(LEVEL2, make_vec_env("CartPole-v1", 3), **own),
    "several heads": lambda **own: dqn(by_chance(), make_vec_env(Turns, 2), **own),
    "whole numbers": lambda **own: dqn(LEVEL2, "FrozenLake-v1", **own),
    "everything": lambda **own: dqn(EVERYTHING, replay_buffer_class=SalienceReplayBuffer, **own),
    "quantiles": lambda **own: EmotionalQRDQN(
        "MlpPolicy",
        "CartPole-v1",
        **{**SMALL, "policy_kwargs": {"net_arch": [16], "n_quantiles": 4}},
        **own,
    ),
}


def dqn(affect: AffectConfig, env: Any = "CartPole-v1", **own: Any) -> EmotionalDQN:
    return EmotionalDQN("MlpPolicy", env, affect=affect, **SMALL, **own)


def without_looking(model: Any) -> Any:
    """Let steps be made in two parts, but uncompiled; count them."""
    feelings, model.fast_steps = model._feelings, 0
    assert feelings is not None

    def count(step: Any) -> Any:
        model.fast_steps += 1
        return feelings._take_in(step)

    feelings._fast = count
    return model


def assert_alike(model: Any, other: Any, **tolerance: Any) -> None:
    np.testing.assert_array_equal(model.replay_buffer.actions, other.replay_buffer.actions)
    for part in ("affect", "policy"):
        mine, its = getattr(model, part).state_dict(), getattr(other, part).state_dict()
        torch.testing.assert_close(mine, its, **tolerance)
    assert model.affect.signals.keys() == other.affect.signals.keys()
    torch.testing.assert_close(model.affect.signals, other.affect.signals, **tolerance)
    assert model.affect.nest.ticks._bound == other.affect.nest.ticks._bound


@pytest.mark.parametrize("name", AGENTS)
def test_fast_steps_have_the_numbers_of_all_steps_bit_for_bit(name: str) -> None:
    expected = AGENTS[name]().learn(150)
    model = without_looking(AGENTS[name]()).learn(150)
    share = model.fast_steps * model.n_envs / model.num_timesteps
    assert share == 1 if model.affect.nest.splits else 0.6 < share < 1
    assert model.affect.nest.splits == (name != "everything")  # attachment hears mood in the same step
    assert_alike(model, expected, rtol=0, atol=0)


def traced(monkeypatch: pytest.MonkeyPatch, *, every_guard: bool = False) -> list[Any]:
    """Compile without the generator of code, where a break in the graph raises; return the list of graphs."""
    torch._dynamo.reset()
    whole, graphs = torch.compile, []

    def note(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    def trace(step: Any, fullgraph: bool, options: dict[str, Any]) -> Any:
        kept = {} if every_guard else {"guard_filter_fn"} & options.keys()
        chosen = {name: options[name] for name in kept}
        return whole(step, fullgraph=fullgraph, backend=note, options=chosen)

    monkeypatch.setattr(torch, "compile", trace)
    return graphs


@pytest.mark.parametrize("name", ["level 2", "several heads", "everything"])
def test_the_fast_part_of_a_step_is_one_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = traced(monkeypatch)
    steps = 60 if name == "several heads" else 30
    model = AGENTS[name](compiled=True).learn(steps)
    assert len(graphs) >= 1
    assert_alike(model, AGENTS[name]().learn(steps))


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("level 2", "several heads") else pytest.param(name, marks=pytest.mark.slow)
        for name in AGENTS
    ],
)
def test_nothing_changes_that_a_program_does_not_look_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch, looking at everything that a program rests on, compiles anew no more often than it does for us."""
    looking = traced(monkeypatch, every_guard=True)
    AGENTS[name](compiled=True).learn(120).learn(40).learn(40, reset_num_timesteps=False)
    monkeypatch.undo()
    given = traced(monkeypatch)
    AGENTS[name](compiled=True).learn(120).learn(40).learn(40, reset_num_timesteps=False)
    assert len(given) == len(looking) >= 1


def test_a_program_sets_no_attribute_that_nobody_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module looks up for itself it keeps; a program that found it would keep it in every step."""
    traced(monkeypatch)
    set_by: list[bool] = []

    def look(code: CodeType, new_code: CodeType) -> None:
        set_by.append("object_setattr_ignore_descriptor" in new_code.co_names)

    handle = torch._dynamo.convert_frame.register_bytecode_hook(look)
    try:
        dqn(LEVEL2, compiled=True).learn(60)
    finally:
        handle.remove()
    assert set_by == [False] * 3  # before the choice, after the step, at the end of an episode


def test_agents_of_one_process_have_programs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = traced(monkeypatch)
    discounts = (0.9, 0.5, 0.1)
    with torch._dynamo.config.patch(recompile_limit=1):
        models = [dqn(AffectConfig.levels(1), compiled=True, gamma=one).learn(60) for one in discounts]
    assert len(graphs) == 2 * len(models)
    for discount, model in zip(discounts, models, strict=True):
        assert_alike(model, dqn(AffectConfig.levels(1), gamma=discount).learn(60))


def channel(title: str, update: Callable[[Any, Any], None]) -> Any:
    """Return the configuration of a channel with a buffer `level` and a plain number `count`."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ChannelConfig):
        rate: float = 0.1

    def start(self: Any, configs: Any) -> None:
        self.remember("level")
        self.count = 0

    def whole(self: Any, signals: Any, due: Any) -> None:
        update(self, signals)
        signals[self.name] = self.level.clone()

    type(title.title(), (Channel,), {"name": title, "Config": Config, "start": start, "update": whole})
    return Config()


def count(self: Any, signals: Any) -> None:
    self.count += 1
    self.level.add_(self.count)


def ask(self: Any, signals: Any) -> None:
    self.level.add_(1 if signals["reward"].sum() > 0 else -1)


@pytest.fixture
def own_channels() -> Iterator[None]:
    before = dict(Channel.registry)
    yield
    Channel.registry.clear()
    Channel.registry.update(before)


def add(self: Any, signals: Any) -> None:
    self.level.add_(signals["surprise"])


@pytest.mark.usefixtures("own_channels")
@pytest.mark.parametrize("update", [count, ask])
def test_a_channel_that_no_program_can_hold_is_refused(
    update: Callable[[Any, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    traced(monkeypatch)
    affect = dataclasses.replace(LEVEL2, own=(channel("strange", update),))
    with pytest.raises(CompileError, match=r"one program here \(.*expected channels that ask for no number"):
        dqn(affect, compiled=True).learn(40)


@pytest.mark.usefixtures("own_channels")
def test_a_channel_of_ones_own_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    traced(monkeypatch)
    affect = dataclasses.replace(LEVEL2, own=(channel("summing", add),))
    assert_alike(dqn(affect, compiled=True).learn(60), dqn(affect).learn(60))


def test_a_copy_lives_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    traced(monkeypatch)
    model = dqn(LEVEL2, compiled=True).learn(60)
    held = {name: value.clone() for name, value in model.affect.state_dict().items()}
    copied = copy.deepcopy(model)
    assert_alike(copied, model, rtol=0, atol=0)
    assert copied._feelings is not None
    assert copied._feelings._fast is not None
    copied.learn(60, reset_num_timesteps=False)
    for name, value in held.items():
        assert torch.equal(model.affect.state_dict()[name], value), name
    assert int(copied.affect.nest.ticks.steps) == 120
    assert not all(
        torch.equal(mine, its)
        for mine, its in zip(model.policy.parameters(), copied.policy.parameters(), strict=True)
    )


def test_values_are_checked_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    traced(monkeypatch)
    model = dqn(LEVEL2, compiled=True).learn(30)
    model.affect.level("fear").memory.M.fill_(torch.nan)
    with value_checks(), pytest.raises(ValueError, match=r"M: got a tensor with .* non-finite"):
        model.learn(10, reset_num_timesteps=False)


def test_a_shuffled_channel_goes_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    traced(monkeypatch)
    affect = dataclasses.replace(LEVEL2, shuffled=("fear",))
    assert_alike(dqn(affect, compiled=True).learn(80), dqn(affect).learn(80))


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_compiled_agents_learn_the_same(name: str) -> None:
    """With the real generator, which needs a C++ compiler."""
    torch._dynamo.reset()
    assert_alike(AGENTS[name](compiled=True).learn(300), AGENTS[name]().learn(300), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["level 2", "several environments", "several heads"])
def test_a_compiled_agent_goes_on_exactly(name: str, tmp_path: Path) -> None:
    torch._dynamo.reset()
    env = make_vec_env(Turns, 2) if name == "several heads" else None
    again = assert_goes_on(lambda: AGENTS[name](compiled=True), 93, 160, tmp_path / "run", env)
    assert again.compiled is True


@pytest.mark.slow
def test_nothing_looks_in_vain_for_a_memory_that_a_program_has_written() -> None:
    """Fear asks whether its memory was written since it was empty; compiled writes have to count."""
    torch._dynamo.reset()

    class Bites(gym.Env[Any, np.int64]):
        observation_space = gym.spaces.Box(0, 1, (3,), np.float32)
        action_space = gym.spaces.Discrete(2)
        time = 0

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed)
            return np.eye(3, dtype=np.float32)[0], {}

        def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.time += 1
            bitten = self.time > 40 and action == 1
            return np.eye(3, dtype=np.float32)[self.time % 3], -float(bitten), self.time % 30 == 0, False, {}

    models = [
        dqn(AffectConfig.levels(1), Bites(), compiled=compiled).learn(120) for compiled in (False, True)
    ]
    assert bool(models[1].affect.level("fear").memory.M.any())
    assert_alike(*models, rtol=1e-4, atol=1e-5)


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()

    def broken(graph: Any, inputs: Any) -> Any:
        raise OSError("No working C++ compiler found")

    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda step, **_: whole(step, backend=broken))
    with pytest.raises(CompileError, match=r"compiled: got True.*No working C\+\+ compiler.*compiled=False"):
        dqn(LEVEL2, compiled=True).learn(40)


def test_whether_to_compile_is_kept_and_can_be_changed(tmp_path: Path) -> None:
    model = dqn(LEVEL2, compiled=True)
    model.save(tmp_path / "run")
    assert EmotionalDQN.load(tmp_path / "run").compiled is True
    again = EmotionalDQN.load(tmp_path / "run", compiled=False)
    assert again.compiled is False
    again.learn(30)


@pytest.mark.parametrize("kind", [EmotionalDQN, EmotionalQRDQN])
def test_compiled_is_true_or_false(kind: Any) -> None:
    with pytest.raises(ValueError, match="compiled: got 'yes', expected True or False"):
        kind("MlpPolicy", "CartPole-v1", compiled="yes")
