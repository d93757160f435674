"""The agent: bit-for-bit promises, SB3's verbs, files, and bad input."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from worlds import Corridor, register

from emotional_ed.affect import (
    AffectConfig,
    AngerConfig,
    ArousalConfig,
    FearConfig,
    MoodConfig,
    RecallConfig,
    TemperamentConfig,
)
from emotional_ed.agents import CheckpointError, EmotionalQ, TileCoding
from emotional_ed.envs import JammedDoorEnv, RecurringRegimesEnv
from emotional_ed.streams import Streams

register()
REGIMES, DOOR = "EmotionalED/RecurringRegimes-v0", "EmotionalED/JammedDoor-v0"
QUIET = AffectConfig(
    arousal=ArousalConfig(step_gain=0.0),
    fear=FearConfig(caution=0.0, avoidance=0.0),
    anger=AngerConfig(persistence=0.0, step_gain=0.0),
    mood=MoodConfig(exploration_gain=0.0),
    temperament=TemperamentConfig(),
    recall=RecallConfig(slots=1),
)


def plain_q_learning(
    seed: int, steps: int, step_size: float, discount: float, exploration: float
) -> np.ndarray[Any, Any]:
    """Watkins' Q-learning on the regimes, written down once more in NumPy, in single precision."""
    model = RecurringRegimesEnv().model
    draws = Streams([seed], 6)
    world = Streams([seed], 2, purpose=1)
    one = np.float32
    Q = np.zeros((25, 4), dtype=np.float32)
    cumulative = model.probability.cumsum(-1).astype(np.float32)[..., :-1]
    world.next()
    s, episode, elapsed = 22, 0, 0
    for _ in range(steps):
        u = draws.next()[0].numpy()
        best = Q[s] == Q[s].max()
        a = int(np.where(best, u[2:], -1).argmax())
        if u[0] < one(exploration):
            a = int(u[1] * one(4))
        w = world.next()[0].numpy()
        where = (episode // 100 % 2, s, a)
        outcome = int((w[0] >= cumulative[where]).sum())
        reached, ended = model.next_state[where][outcome], model.terminated[where][outcome]
        y = one(model.reward[where][outcome]) + one(discount) * (one(0) if ended else Q[reached].max())
        Q[s, a] += one(step_size) * (y - Q[s, a])
        elapsed += 1
        if ended or elapsed == 50:
            s, episode, elapsed = 22, episode + 1, 0
        else:
            s = int(reached)
    return Q


@pytest.mark.parametrize("affect", [AffectConfig.levels(0), QUIET], ids=["level 0", "all gains zero"])
@pytest.mark.parametrize("seed", [0, 7])
def test_without_affect_it_is_plain_q_learning_bit_for_bit(affect: AffectConfig, seed: int) -> None:
    model = EmotionalQ(REGIMES, affect, step_size=0.3, discount=0.95, exploration=0.2, seed=seed).learn(3000)
    expected = plain_q_learning(seed, 3000, 0.3, 0.95, 0.2)
    assert np.abs(expected).sum() > 1
    assert np.array_equal(model.value.M[0, :, :25].T.numpy(), expected)


def state_of(model: EmotionalQ, member: int) -> dict[str, torch.Tensor]:
    nest = {"nest.ticks.since", "nest.ticks.updates"}  # [L, P]
    affect = {
        name: value[:, member] if name in nest else value[member]
        for name, value in model.affect.state_dict().items()
    }
    return {"value": model.value.M[member], **affect}


@pytest.mark.parametrize("env", [REGIMES, DOOR, "CliffWalkingSlippery-v1"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_population_equals_single_runs_bit_for_bit(env: str, level: int) -> None:
    steps, population = (400, 5) if env.startswith("Cliff") else (1500, 37)
    together = EmotionalQ(
        env, AffectConfig.levels(level), population=population, seed=11, step_size=0.2, exploration=0.15
    ).learn(steps)
    for member in {0, 3, population - 1}:
        alone = EmotionalQ(
            env, AffectConfig.levels(level), seed=11 + member, step_size=0.2, exploration=0.15
        ).learn(steps)
        for name, value in state_of(alone, 0).items():
            assert torch.equal(value, state_of(together, member)[name]), (member, name)
        mine = together.episodes[together.episodes["member"] == member]
        assert np.array_equal(mine["return"], alone.episodes["return"])


def test_members_with_their_own_settings_equal_single_runs() -> None:
    kinds = [AffectConfig.levels(0), AffectConfig.levels(2), AffectConfig.levels(1)]
    sizes = [0.1, 0.5, 1.0]
    together = EmotionalQ(
        DOOR, kinds, population=3, step_size=sizes, exploration=[0.0, 0.1, 0.3], seed=[5, 5, 9]
    ).learn(800)
    for i, (kind, size, exploration, seed) in enumerate(
        zip(kinds, sizes, (0.0, 0.1, 0.3), (5, 5, 9), strict=True)
    ):
        alone = EmotionalQ(DOOR, kind, step_size=size, exploration=exploration, seed=seed).learn(800)
        held = together.value.M[i][:, : alone.value.M.shape[-1]]
        assert torch.equal(held, alone.value.M[0]), i


@pytest.mark.parametrize("env", [REGIMES, "Corridor-v0"])
def test_calling_learn_again_goes_on(env: str) -> None:
    whole = EmotionalQ(env, population=3, seed=1).learn(900)
    parts = EmotionalQ(env, population=3, seed=1).learn(333).learn(0).learn(567)
    assert parts.num_timesteps == 900
    assert torch.equal(whole.value.M, parts.value.M)
    assert np.array_equal(whole.episodes, parts.episodes)


def test_reset_num_timesteps_starts_the_count_and_the_world_anew() -> None:
    model = EmotionalQ(REGIMES, seed=1).learn(300)
    held = model.value.M.clone()
    model.learn(0, reset_num_timesteps=True)
    assert model.num_timesteps == 0
    assert torch.equal(model.value.M, held)
    assert len(model.learn(200).episodes) == len(model.episodes)


def test_episodes_are_listed_in_order_with_their_sums() -> None:
    model = EmotionalQ("Corridor-v0", AffectConfig.levels(0), population=3, seed=0, exploration=0.5).learn(
        700
    )
    rows = model.episodes
    for member in range(3):
        mine = rows[rows["member"] == member]
        assert mine["episode"].tolist() == list(range(len(mine)))
        assert np.array_equal(mine["step"], mine["length"].cumsum())
        assert set(mine["return"][mine["length"] < 80]) == {1.0}
    assert (np.diff(rows["step"]) >= 0).all()


def test_ties_are_broken_at_random() -> None:
    model = EmotionalQ(REGIMES, AffectConfig.levels(0), population=400, exploration=0.0, seed=0)
    actions, _ = model.predict(np.full(400, 22))
    counts = np.bincount(actions, minlength=4)
    assert (counts > 60).all(), counts


def test_prediction_changes_nothing_in_learning() -> None:
    one, other = EmotionalQ(DOOR, seed=3), EmotionalQ(DOOR, seed=3)
    for _ in range(5):
        one.learn(100)
        other.learn(100).predict(2)
        other.predict([1, 2, 3], deterministic=False)
    assert torch.equal(one.value.M, other.value.M)


def test_predict_shapes_members_and_errors() -> None:
    model = EmotionalQ(DOOR, AffectConfig.levels(0), population=3, seed=0).learn(50)
    assert model.predict([0, 1, 2])[0].shape == (3,)
    action, state = model.predict(4, member=2)
    assert action.shape == ()
    assert state is None
    assert model.predict([4, 4, 4, 4, 4], member=1)[0].shape == (5,)
    with pytest.raises(ValueError, match=r"observation: got shape \[\], expected \[3\]"):
        model.predict(4)
    with pytest.raises(ValueError, match=r"member: got 3, expected an integer in \[0, 3\)"):
        model.predict(4, member=3)
    for bad in (8, -1, np.nan, 0.5):
        with pytest.raises(ValueError, match=r"observation: got .*expected integers in \[0, 8\)"):
            model.predict([0, bad, 0])


def test_evaluate_policy_of_stable_baselines3_works_and_anger_persists_in_it() -> None:
    model = EmotionalQ(
        DOOR, AffectConfig.levels(1), step_size=0.3, exploration=0.02, discount=0.97, seed=2
    ).learn(8000)
    env = Monitor(gymnasium.make(DOOR))
    mean, _ = evaluate_policy(model, env, n_eval_episodes=20)  # type: ignore[arg-type]
    assert float(mean) > 0.9  # type: ignore[arg-type]
    # With all values equal the greedy choice is random, and only persistence pushes through.
    model.value.M.zero_()
    angry = np.array([[6, 1, 0]])
    for pushes in range(1, 9):
        action, angry = model.predict([6], angry)  # type: ignore[assignment]
        assert action.tolist() == [1], pushes
    action, angry = model.predict([6], angry, episode_start=[True])  # type: ignore[assignment]
    assert angry[0, 2] == 0


def test_accepts_instances_vector_environments_and_shifted_spaces() -> None:
    by_id = EmotionalQ("Corridor-v0", population=2, seed=4).learn(300)
    from_instance = EmotionalQ(gymnasium.make("Corridor-v0"), population=2, seed=4).learn(300)
    assert torch.equal(by_id.value.M, from_instance.value.M)
    vector = SyncVectorEnv(
        [lambda: gymnasium.make("Corridor-v0")] * 2, autoreset_mode=AutoresetMode.SAME_STEP
    )
    assert torch.equal(EmotionalQ(vector, population=2, seed=4).learn(300).value.M, by_id.value.M)
    shifted = SyncVectorEnv([lambda: Corridor(start=3)], autoreset_mode=AutoresetMode.SAME_STEP)
    assert len(EmotionalQ(shifted, seed=4, exploration=0.5).learn(400).episodes) > 5
    assert EmotionalQ(Corridor(), seed=0).learn(10).num_timesteps == 10
    ours = gymnasium.make_vec(REGIMES, num_envs=3)
    native = EmotionalQ(REGIMES, population=3, seed=4).learn(300)
    assert torch.equal(EmotionalQ(ours, population=3, seed=4).learn(300).value.M, native.value.M)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("level", [0, 2])
def test_save_and_load_go_on_in_the_middle_of_an_episode(tmp_path: Path, level: int) -> None:
    whole = EmotionalQ(
        REGIMES, AffectConfig.levels(level), population=3, seed=2, env_kwargs={"noise": 0.5}
    ).learn(1234)
    half = EmotionalQ(
        REGIMES, AffectConfig.levels(level), population=3, seed=2, env_kwargs={"noise": 0.5}
    ).learn(617)
    file = half.save(tmp_path / "half")
    assert file == tmp_path / "half.safetensors"
    loaded = EmotionalQ.load(tmp_path / "half")
    assert loaded.num_timesteps == 617
    loaded.learn(617)
    assert torch.equal(loaded.value.M, whole.value.M)
    for name, value in whole.affect.state_dict().items():
        assert torch.equal(loaded.affect.state_dict()[name], value), name
    later = whole.episodes[whole.episodes["step"] > 617]
    assert np.array_equal(loaded.episodes, later)


def test_load_into_somebody_elses_environment(tmp_path: Path) -> None:
    model = EmotionalQ("Corridor-v0", seed=0, exploration=0.4).learn(500)
    file = model.save(tmp_path / "agent.safetensors")
    loaded = EmotionalQ.load(file, env=Corridor())
    assert torch.equal(loaded.value.M, model.value.M)
    assert loaded.learn(100).num_timesteps == 600
    with pytest.raises(
        CheckpointError,
        match=r"env: got Discrete\(25\) observations and 4 actions, expected Discrete\(5\) and 2",
    ):
        EmotionalQ.load(file, env=REGIMES)


def test_the_file_holds_no_code(tmp_path: Path) -> None:
    data = EmotionalQ(DOOR, seed=0).learn(10).save(tmp_path / "a").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])  # safetensors: JSON, then numbers; pickle would start with 0x80
    assert set(header["__metadata__"]) == {"facts", "digest"}
    assert json.loads(header["__metadata__"]["facts"])["agent"] == "EmotionalQ"


def test_broken_checkpoints_are_named_and_leave_what_was_there(tmp_path: Path) -> None:
    model = EmotionalQ(DOOR, seed=0).learn(10)
    file = model.save(tmp_path / "good")
    data = file.read_bytes()
    for kind, content in {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "flipped": data[:-1] + bytes([data[-1] ^ 1]),
    }.items():
        bad = tmp_path / f"{kind}.safetensors"
        bad.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"path: got .*{kind}.*expected a whole checkpoint"):
            EmotionalQ.load(bad)
    with pytest.raises(CheckpointError, match="expected an existing checkpoint"):
        EmotionalQ.load(tmp_path / "nowhere")
    assert file.read_bytes() == data
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".part") == []


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = EmotionalQ(DOOR, seed=0).learn(10)
    file = model.save(tmp_path / "a")
    data = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.learn(10).save(tmp_path / "a")
    assert file.read_bytes() == data
    assert [one.name for one in tmp_path.iterdir()] == ["a.safetensors"]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env": "Nowhere-v0"}, r"env: got 'Nowhere-v0', expected an id that Gymnasium knows"),
        ({"env": "Pendulum-v1"}, r"action_space: got Box.*expected Discrete"),
        ({"env": 3}, r"env: got 3, expected an id"),
        ({"env": REGIMES, "step_size": -0.1}, r"step_size: got -0.1, expected a number in \[0, 1\]"),
        ({"env": REGIMES, "step_size": float("nan")}, r"step_size: got nan"),
        ({"env": REGIMES, "step_size": [0.1, 0.2]}, r"step_size: got 2 numbers, expected one or 1"),
        ({"env": REGIMES, "discount": 1.5}, r"discount: got 1.5"),
        ({"env": REGIMES, "exploration": "much"}, r"exploration: got"),
        ({"env": REGIMES, "population": 0}, r"population: got 0, expected an integer of at least 1"),
        ({"env": REGIMES, "population": 2, "seed": [1]}, r"seed: got \[1\], expected an integer in \[0, 2\*\*62\), or 2 of them"),
        ({"env": REGIMES, "seed": -3}, r"seed: got -3"),
        ({"env": REGIMES, "affect": "angry"}, r"affect: got 'angry', expected an AffectConfig"),
        ({"env": REGIMES, "env_kwargs": {"noise": -1}}, r"noise: got -1"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmotionalQ(**arguments)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("reward", r"reward: got nan from copy 0 of .* at step 7, expected a finite number"),
        ("infinite", r"reward: got inf from copy 0"),
        ("observation", r"observation: got 99 from .* at step 7, expected an element of Discrete\(5\)"),
    ],
)
def test_faulty_environments_stop_learning_with_a_sentence_and_lose_nothing(fault: str, message: str) -> None:
    model = EmotionalQ(Corridor(fault, 7), seed=0)
    with pytest.raises(ValueError, match=message):
        model.learn(100)
    assert model.num_timesteps == 6
    assert bool(torch.isfinite(model.value.M).all())


def test_unsuitable_vector_environments_are_refused_with_advice() -> None:
    vector = gymnasium.make_vec("CliffWalking-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(ValueError, match=r"autoreset mode NextStep, expected SameStep"):
        EmotionalQ(vector, population=2)
    with pytest.raises(ValueError, match="population: got 3 with 2 environments"):
        EmotionalQ(gymnasium.make_vec(DOOR, num_envs=2), population=3)
    with pytest.raises(ValueError, match="without a spec"):
        EmotionalQ(Corridor(), population=2)


def test_own_door_and_population_of_instances() -> None:
    model = EmotionalQ(JammedDoorEnv(), seed=0).learn(20)
    assert model.num_timesteps == 20


# ---------------------------------------------------------------- what a careful attacker found


def test_our_own_instances_equal_their_ids_for_any_population_and_go_on() -> None:
    env = gymnasium.make(REGIMES, noise=0.5, period=7)
    one = EmotionalQ(env, seed=5).learn(400)
    two = EmotionalQ(gymnasium.make(REGIMES, noise=0.5, period=7), population=2, seed=5).learn(400)
    by_id = EmotionalQ(REGIMES, seed=5, env_kwargs={"noise": 0.5, "period": 7}).learn(400)
    assert torch.equal(one.value.M, by_id.value.M)
    assert torch.equal(two.value.M[0], by_id.value.M[0])


def test_a_checkpoint_remembers_its_world_and_goes_on_in_no_other(tmp_path: Path) -> None:
    env = gymnasium.make(REGIMES, period=3)
    model = EmotionalQ(env, population=2, seed=0).learn(321)
    file = model.save(tmp_path / "a")
    loaded = EmotionalQ.load(file)
    assert loaded.env_kwargs == {"period": 3}
    assert torch.equal(loaded.learn(200).value.M, model.learn(200).value.M)
    other = EmotionalQ.load(file, env=gymnasium.make(REGIMES, period=4))
    assert other.observation is None  # starts anew
    assert not other.unfinished_returns.any()
    other.learn(100)


@pytest.mark.parametrize("factor", [-1.0, 3.0])
def test_a_step_size_of_one_survives_any_factor(factor: float) -> None:
    affect = AffectConfig(arousal=ArousalConfig(step_gain=factor, threshold=0.5))
    model = EmotionalQ(REGIMES, affect, step_size=1.0, exploration=0.3, seed=0).learn(2000)
    assert bool(torch.isfinite(model.value.M).all())


def test_rewards_that_single_precision_cannot_hold_are_refused() -> None:
    class Huge(Corridor):
        def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
            observation, _, terminated, truncated, info = super().step(action)
            return observation, 1e39, terminated, truncated, info

    with pytest.raises(ValueError, match=r"reward: got 1e\+39 .*finite number in single precision"):
        EmotionalQ(Huge(), seed=0).learn(10)
    for kwargs in ({"noise": float("inf")}, {"noise": 1e39}):
        with pytest.raises(ValueError, match=r"(noise|env_kwargs): got"):
            EmotionalQ(REGIMES, env_kwargs=kwargs)


def test_predict_speaks_the_environments_own_numbers() -> None:
    shifted = SyncVectorEnv([lambda: Corridor(start=3)], autoreset_mode=AutoresetMode.SAME_STEP)
    model = EmotionalQ(shifted, seed=4, exploration=0.3, step_size=0.5).learn(1500)
    actions, _ = model.predict([3, 4, 5, 6])
    assert actions.tolist() == [4, 4, 4, 4]
    with pytest.raises(ValueError, match=r"expected integers in \[3, 8\)"):
        model.predict(0)


def test_only_meant_actions_are_pushed_again_when_exploring() -> None:
    model = EmotionalQ(DOOR, AffectConfig.levels(1), exploration=1.0, seed=0).learn(30)
    model.value.M.zero_()
    model.value.M[0, 3, 6] = 1.0  # west is best; everything else is exploration
    actions, state = [], None
    for _ in range(60):
        action, state = model.predict([6], state, deterministic=False)
        actions.append(int(action[0]))
    runs = "".join(map(str, actions))
    assert "1111111" not in runs  # a random push is not repeated by anger


def test_cutting_episodes_off_leaves_nothing_behind() -> None:
    model = EmotionalQ(DOOR, AffectConfig.levels(2), population=8, seed=0, step_size=0.3).learn(137)
    assert model.unfinished_lengths.any()
    model.set_env(gymnasium.make(DOOR))
    assert not model.unfinished_lengths.any()
    assert not bool(model.affect.level("anger").persist.any())
    before = len(model.episodes)
    model.learn(50)
    assert model.episodes[before:]["length"].max() <= 50
    model.learn(0, reset_num_timesteps=True)
    assert not model.unfinished_returns.any()


def test_a_checkpoint_whose_numbers_changed_their_meaning_is_refused(tmp_path: Path) -> None:
    file = EmotionalQ(DOOR, seed=0).learn(10).save(tmp_path / "a")
    data = file.read_bytes()
    where = data.index(b'"dtype":"F32"')
    file.write_bytes(data[:where] + b'"dtype":"I32"' + data[where + 13 :])
    with pytest.raises(CheckpointError, match="digest does not match"):
        EmotionalQ.load(file)


def test_numpy_numbers_are_as_good_as_pythons(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"seed": np.int64(3), "step_size": np.float32(0.5)}
    model = EmotionalQ(REGIMES, env_kwargs={"period": np.int64(5)}, **arguments).learn(20)
    assert EmotionalQ.load(model.save(tmp_path / "a")).env_kwargs == {"period": 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env": "Blackjack-v1", "features": TileCoding()}, r"features: got TileCoding for Tuple"),
        ({"env": REGIMES, "env_kwargs": {"nose": 1}}, r"env: got .*'nose'"),
        ({"env": REGIMES, "env_kwargs": {"noise": object()}}, r"env_kwargs: got"),
        ({"env": REGIMES, "seed": 1.5}, r"seed: got 1.5"),
        ({"env": REGIMES, "seed": [1.7]}, r"seed: got \[1.7\]"),
        ({"env": REGIMES, "affect": 3}, r"affect: got 3"),
        ({"env": REGIMES, "step_size": 10**400}, r"step_size: got 1000"),
        ({"env": Corridor(), "env_kwargs": {"at": 1}}, r"env_kwargs: got .*with an id only"),
    ],
)
def test_more_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmotionalQ(**arguments)
    with pytest.raises(ValueError, match="catastrophe_reward: got -1"):
        EmotionalQ(gymnasium.make_vec(DOOR, num_envs=2), population=2, catastrophe_reward=-1)


class Still(gymnasium.Env[Any, Any]):
    """One state, one reward of 1 a step; every step ends the episode if told to, and leads back to the state."""

    def __init__(self, terminates: bool) -> None:
        self.observation_space = self.action_space = gymnasium.spaces.Discrete(1)
        self.terminates = terminates

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return 0, 1.0, self.terminates, not self.terminates, {}


@pytest.mark.parametrize(("terminates", "value"), [(True, 1.0), (False, 2.0)])
def test_a_terminal_state_has_no_value_and_a_truncated_one_has(terminates: bool, value: float) -> None:
    model = EmotionalQ(Still(terminates), AffectConfig.levels(0), step_size=0.5, discount=0.5, seed=0).learn(
        60
    )
    assert float(model.value.M) == pytest.approx(value)  # r, or r/(1 - discount)
