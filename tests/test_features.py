"""Features of observations, the worlds they come from, and the agent that learns on them."""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from torch import Tensor

from emotional_ed.affect import AffectConfig
from emotional_ed.agents import (
    CheckpointError,
    EmotionalQ,
    Factors,
    Features,
    OneHot,
    TileCoding,
    features_for,
)
from emotional_ed.envs import GymnasiumBatch, Observations

one = np.float32


def box(low: Any, high: Any) -> spaces.Box:
    return spaces.Box(np.asarray(low, dtype=one), np.asarray(high, dtype=one), dtype=one)


# ---------------------------------------------------------------- tile coding


def naive_tiles(
    point: list[float], low: list[float], high: list[float], tilings: int, tiles: int, size: int
) -> list[int]:
    """Tile coding written down once more, number by number; infinite ends mean no bounds."""
    cells = (tiles + 1) ** len(point)
    rows = cells if cells * tilings <= size else size // tilings
    words = np.random.Philox(key=0).random_raw(tilings * len(point))
    found = []
    for t in range(tilings):
        position, mixed = 0, 0
        for i, (number, left, right) in enumerate(zip(point, low, high, strict=True)):
            x, a, b = one(number), one(left), one(right)
            if not np.isfinite(a):
                x, a, b = x / (one(1) + abs(x)), one(-1), one(1)
            x = min(max(x, a), b)
            q = int(np.floor((x - a) / (b - a) * one(tilings * tiles)))
            tile = (q + t * (2 * i + 1) % tilings) // tilings
            position += tile * (tiles + 1) ** i
            mixed += (1 + int(words[t * len(point) + i]) % (2**31 - 2)) * tile
        found.append(t * rows + (position if rows == cells else mixed % (2**31 - 1) % rows))
    return found


@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 8, 16]),
    st.integers(1, 9),
    st.integers(16, 3000),
)
def test_tile_coding_equals_the_naive_loop(
    seed: int, dimensions: int, tilings: int, tiles: int, size: int
) -> None:
    random = np.random.default_rng(seed)
    low = random.normal(size=dimensions)
    high = low + random.uniform(0.1, 5, size=dimensions)
    free = random.random(dimensions) < 0.3
    low, high = np.where(free, -np.inf, low), np.where(free, np.inf, high)
    features = features_for(box(low, high), TileCoding(tilings=tilings, tiles=tiles, size=size))
    points = random.normal(size=(20, dimensions)) * 3
    points[:2] = np.where(free, 0, [low, high])  # the ends belong to the grid
    keys = features(torch.tensor(points, dtype=torch.float32)).reshape(20, tilings)
    low, high = low.astype(one), high.astype(one)
    for point, key in zip(points, keys, strict=True):
        assert key.tolist() == naive_tiles(list(point), list(low), list(high), tilings, tiles, size)
    assert features.active == tilings
    assert int(keys.min()) >= 0
    assert (
        int(keys.max()) < features.keys <= size
        or features.keys == (tiles + 1) ** dimensions * tilings <= size
    )


def test_tiles_by_hand() -> None:
    features = features_for(box([0], [1]), TileCoding(tilings=4, tiles=2))
    keys = features(torch.tensor([[0.0], [0.12], [0.13], [0.5], [1.0]]))  # three tiles a grid; steps of 1/8
    assert keys.tolist() == [[0, 3, 6, 9], [0, 3, 6, 9], [0, 3, 6, 10], [1, 4, 7, 10], [2, 5, 8, 11]]


def test_grids_are_displaced_asymmetrically() -> None:
    # Section 9.5.4: with the displacement (1, 3), four grids over a plane; on the diagonal they part one by one.
    features = features_for(box([0, 0], [1, 1]), TileCoding(tilings=4, tiles=1))
    first = features(torch.tensor([[0.01, 0.01]]))
    for point, shared in (((0.26, 0.01), 3), ((0.01, 0.26), 3), ((0.26, 0.26), 2), ((0.51, 0.01), 2)):
        assert int((features(torch.tensor([point])) == first).sum()) == shared, point


def test_the_hash_is_the_same_everywhere_and_always() -> None:
    features = features_for(box([-1] * 6, [1] * 6), TileCoding(tilings=4, tiles=8, size=1024))
    keys = features(torch.tensor([[0.0] * 6, [0.3, -0.7, 0.9, -1.0, 1.0, 0.2]]))
    assert features.keys == 1024
    assert keys.tolist() == [[239, 340, 754, 964], [15, 293, 612, 962]]
    again = features_for(box([-1] * 6, [1] * 6), TileCoding(tilings=4, tiles=8, size=1024))
    points = torch.rand(500, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(features(points), again(points))
    used = set(features(points).ravel().tolist())
    assert len(used) > 0.7 * 1024  # 2000 tiles into 1024 rows: 1 - 1/e^2 of them, if spread evenly


def test_a_point_has_the_same_tiles_in_any_company() -> None:
    features = features_for(gymnasium.make("CartPole-v1").observation_space)
    points = torch.randn(61, 4, generator=torch.Generator().manual_seed(0))
    together, moved = features(points), features.moved(points, points.roll(1, 0))
    for i in range(61):
        assert torch.equal(features(points[i : i + 1])[0], together[i])
        assert torch.equal(features.moved(points[i : i + 1], points.roll(1, 0)[i : i + 1])[0], moved[i])


def test_given_bounds_replace_those_of_the_space_and_clip() -> None:
    space = box([-np.inf, 0], [np.inf, 100])
    features = features_for(space, TileCoding(low=[-1, 0], high=[1, 10], tilings=2, tiles=4))
    inside, outside = torch.tensor([[1.0, 10.0]]), torch.tensor([[7.0, 99.0]])
    assert torch.equal(features(inside), features(outside))
    half = features_for(space, TileCoding(low=(-np.inf, 0), high=(np.inf, 10), tilings=2, tiles=4))
    assert not torch.equal(half(inside), half(outside))
    everywhere = features_for(space, TileCoding(low=-1, high=1, tilings=2, tiles=4))
    assert torch.equal(everywhere(torch.tensor([[-5.0, 0.5]])), everywhere(torch.tensor([[-1.0, 0.5]])))


def test_spaces_that_are_odd_but_right() -> None:
    constant = features_for(spaces.Box(np.array([0, 3], one), np.array([1, 3], one)))
    keys = constant(torch.tensor([[0.1, 3.0], [0.9, 3.0]]))
    assert not torch.equal(keys[0], keys[1])
    huge = features_for(box([-3e38], [3e38]))  # wider than single precision: as good as unbounded
    assert not torch.equal(huge(torch.tensor([[0.0]])), huge(torch.tensor([[1.0]])))
    image = features_for(spaces.Box(0, 255, (4, 4, 3), np.uint8), TileCoding(tiles=1))
    assert image(torch.zeros(2, 48)).shape == (2, 8)
    assert image.keys == 2**14


def test_a_point_has_moved_beyond_a_part_of_a_tile() -> None:
    features = features_for(box([0, 0], [8, 80]), TileCoding(tiles=8, still=0.25))
    here = torch.tensor([[1.0, 10.0]] * 4)
    there = torch.tensor([[1.0, 10.0], [1.2, 12.0], [1.3, 10.0], [1.0, 7.0]])
    assert features.moved(here, there).tolist() == [False, False, True, True]


# ---------------------------------------------------------------- factors and tables


@pytest.mark.parametrize(
    "space",
    [
        spaces.MultiDiscrete([3, 2, 4]),
        spaces.MultiDiscrete(np.array([[3, 2], [2, 2]])),
        spaces.MultiBinary(3),
        spaces.Tuple([spaces.Discrete(3, start=5), spaces.Discrete(2)]),
    ],
    ids=str,
)
def test_factors_have_a_row_for_each_value_and_each_combination(space: Any) -> None:
    sizes = Observations(space).sizes
    assert sizes is not None
    everything = torch.tensor(list(itertools.product(*map(range, sizes))))
    features = features_for(space)
    keys = features(everything)
    assert features.active == keys.shape[1] == len(sizes) + 1
    assert features.keys == sum(sizes) + len(everything)
    assert keys[:, -1].sort().values.tolist() == list(range(sum(sizes), features.keys))
    for i in range(len(sizes)):
        assert torch.equal(keys[:, i], everything[:, i] + sum(sizes[:i]))
    assert features_for(space, Factors(combinations=len(everything))).keys == features.keys
    alone = features_for(space, Factors(combinations=len(everything) - 1))
    assert torch.equal(alone(everything), keys[:, :-1])
    assert alone.keys == sum(sizes)
    assert features.moved(everything, everything.roll(1, 0)).all()
    assert not features.moved(everything, everything).any()


def test_a_table_is_the_observation_itself() -> None:
    features = features_for(spaces.Discrete(5, start=3))
    observation = torch.tensor([0, 4, 2])
    assert features(observation) is observation
    assert (features.keys, features.active) == (5, 1)
    assert features.moved(observation, torch.tensor([0, 4, 3])).tolist() == [False, False, True]
    single = features_for(spaces.MultiDiscrete([6]))
    assert single(torch.tensor([[4], [0]])).tolist() == [4, 0]
    assert single.active == 1


@pytest.mark.parametrize(
    ("space", "given_features", "message"),
    [
        (spaces.Text(3), None, r"observation_space: got Text.*expected Discrete, MultiDiscrete"),
        (spaces.Dict(a=spaces.Discrete(2)), None, r"observation_space: got Dict"),
        (spaces.Tuple([spaces.Box(0, 1)]), None, r"observation_space: got Tuple"),
        (spaces.Tuple([]), None, r"observation_space: got .*at least one number"),
        (spaces.Box(0, 1, (0,)), None, r"observation_space: got .*at least one number"),
        (spaces.Discrete(3), TileCoding(), r"features: got TileCoding for Discrete\(3\), expected a space of Box"),
        (spaces.Box(0, 1), OneHot(), r"features: got OneHot for Box.*expected a space of Discrete"),
        (spaces.Box(0, 1), Factors(), r"features: got Factors for Box.*expected a space of MultiDiscrete or"),
        (spaces.Box(0, 1), "tiles", r"features: got 'tiles', expected OneHot, Factors, TileCoding"),
        (spaces.Box(0, 1, (2,)), TileCoding(low=[0, 0, 0], high=1), r"TileCoding.low: got 3 numbers, expected one or 2"),
        (spaces.Box(0, 1, (2,)), TileCoding(low=[0, 2], high=1), r"TileCoding.high: got 1 for dimension 1, expected more than 2"),
    ],
    ids=str,
)  # fmt: skip
def test_spaces_and_features_that_do_not_fit_are_named(space: Any, given_features: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features_for(space, given_features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tilings": 0}, r"TileCoding.tilings: got 0"),
        ({"tiles": 1.5}, r"TileCoding.tiles: got 1.5"),
        ({"size": 4}, r"TileCoding.size: got 4, expected an integer of at least 8"),
        ({"still": np.nan}, r"TileCoding.still: got nan"),
        ({"low": 0}, r"TileCoding.low, high: got 0 and None, expected both or neither"),
        ({"low": [0, np.nan], "high": 1}, r"TileCoding.low: got \[0, nan\], expected numbers"),
        ({"low": "a", "high": 1}, r"TileCoding.low: got 'a', expected numbers"),
        ({"low": [], "high": 1}, r"TileCoding.low: got \[\], expected numbers"),
    ],
)
def test_bad_settings_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TileCoding(**arguments)
    with pytest.raises(ValueError, match=r"Factors.combinations: got -1"):
        Factors(combinations=-1)


# ---------------------------------------------------------------- worlds


class Sampler(gymnasium.Env[Any, Any]):
    """Observes random elements of a space for five steps; can be told to show something else at a step."""

    def __init__(self, space: Any, fault: Any = None, at: int = 0) -> None:
        self.observation_space, self.action_space = space, spaces.Discrete(2)
        self.fault, self.at, self.steps = fault, at, 0
        self.shown: list[Any] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self._show(), {}

    def _show(self) -> Any:
        self.shown.append(self.observation_space.sample())
        return self.shown[-1]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        observation = self.fault if self.steps == self.at else self._show()
        return observation, 1.0, self.steps % 5 == 0, False, {}


SPACES: list[tuple[Any, Any]] = [
    (spaces.MultiDiscrete([3, 4], start=[2, -1]), lambda shown: np.asarray(shown) - [2, -1]),
    (spaces.MultiBinary((2, 2)), np.ravel),
    (
        spaces.Tuple([spaces.Discrete(3, start=1), spaces.Discrete(2)]),
        lambda shown: np.asarray(shown) - [1, 0],
    ),
    (spaces.Box(-1, 1, (2, 3)), np.ravel),
    (spaces.Box(0, 255, (4,), np.uint8), lambda shown: np.asarray(shown, one)),
    (spaces.Box(-np.inf, np.inf, (2,), np.float64), lambda shown: np.asarray(shown, one)),
]


@pytest.mark.parametrize(("space", "numbers"), SPACES, ids=[str(space) for space, _ in SPACES])
def test_observations_become_numbers(space: Any, numbers: Any) -> None:
    worlds = [Sampler(space), Sampler(copy.deepcopy(space))]
    batch = GymnasiumBatch(
        SyncVectorEnv([lambda: worlds[0], lambda: worlds[1]], autoreset_mode=AutoresetMode.SAME_STEP)
    )
    assert batch.observation_space == space
    first = batch.reset([1, 2])
    for i in (0, 1):
        assert first[i].tolist() == pytest.approx(numbers(worlds[i].shown[-1]).tolist())
    for number in range(1, 8):
        step = batch.step(torch.tensor([0, 1]))
        assert step.observation.dtype == (torch.float32 if isinstance(space, spaces.Box) else torch.int64)
        for i in (0, 1):
            assert step.observation[i].tolist() == pytest.approx(numbers(worlds[i].shown[-1]).tolist())
            final = worlds[i].shown[-2 if number % 5 == 0 else -1]
            assert step.final_observation[i].tolist() == pytest.approx(numbers(final).tolist())


@pytest.mark.parametrize(
    ("space", "fault", "message"),
    [
        (spaces.Box(-1, 1, (2,)), np.array([0, np.nan], one), r"observation: got nan from copy 0 of .* at step 3, expected an element of Box"),
        (spaces.Box(-np.inf, np.inf, (2,)), np.array([np.inf, 0], one), r"observation: got inf from copy 0"),
        (spaces.Box(-1, 1, (2,)), np.array([0, 1.01], one), r"observation: got 1.01 from copy 0"),
        (spaces.Box(-np.inf, np.inf, (1,), np.float64), np.array([1e39]), r"observation: got 1e\+39 from copy 0"),
        (spaces.MultiDiscrete([3, 4]), np.array([0, 4]), r"observation: got 4 from copy 0 .* at step 3, expected an element of MultiDiscrete"),
        (spaces.MultiBinary(2), np.array([0, 2], np.int8), r"observation: got 2 from copy 0"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)]), (0, -1), r"observation: got -1 from copy 0"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("last", [False, True], ids=["inside an episode", "at its end"])
def test_observations_outside_their_space_stop_learning_and_lose_nothing(
    space: Any, fault: Any, message: str, last: bool
) -> None:
    at = 5 if last else 3
    model = EmotionalQ(Sampler(space, fault, at), seed=0)
    with pytest.raises(ValueError, match=message.replace("step 3", f"step {at}")):
        model.learn(10)
    assert model.num_timesteps == at - 1
    assert bool(torch.isfinite(model.value.M).all())


def test_rounding_at_a_bound_is_let_pass() -> None:
    model = EmotionalQ(Sampler(spaces.Box(-1, 100, (2,)), np.array([-1.000001, 100.0001]), 3), seed=0)
    assert model.learn(10).num_timesteps == 10


# ---------------------------------------------------------------- the agent


def state_of(model: EmotionalQ, member: int) -> dict[str, Tensor]:
    nest = {"nest.ticks.since", "nest.ticks.updates"}  # [L, P]
    affect = {
        name: value[:, member] if name in nest else value[member]
        for name, value in model.affect.state_dict().items()
    }
    return {"value": model.value.M[member], **affect}


@pytest.mark.parametrize(
    ("env", "features"),
    [("CartPole-v1", None), ("MountainCar-v0", TileCoding(tilings=5, tiles=6)), ("Blackjack-v1", None)],
)
@pytest.mark.parametrize("level", [0, 2])
def test_a_population_equals_single_runs_bit_for_bit(env: str, features: Any, level: int) -> None:
    def make(population: int, seed: int) -> EmotionalQ:
        affect = AffectConfig.levels(level)
        return EmotionalQ(
            env, affect, features=features, population=population, seed=seed, step_size=0.3
        ).learn(200)

    together = make(9, 11)
    assert float(together.value.M.abs().sum()) > 0.1
    for member in (0, 8):
        alone = make(1, 11 + member)
        for name, value in state_of(alone, 0).items():
            assert torch.equal(value, state_of(together, member)[name]), (member, name)


class Xor(gymnasium.Env[Any, Any]):
    """One step: two bits are shown, and the action that equals their exclusive or pays 1."""

    def __init__(self) -> None:
        self.observation_space, self.action_space = spaces.MultiBinary(2), spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.bits = self.np_random.integers(2, size=2).astype(np.int8)
        return self.bits, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.bits, float(action == self.bits[0] ^ self.bits[1]), True, False, {}


def test_values_depend_on_combinations_only_if_these_have_features() -> None:
    every = np.array(list(itertools.product([0, 1], repeat=2)))
    values = {}
    for combinations in (4096, 0):
        model = EmotionalQ(
            Xor(),
            AffectConfig.levels(0),
            features=Factors(combinations=combinations),
            exploration=1.0,
            step_size=0.2,
            seed=0,
        ).learn(800)
        values[combinations] = model.value.read(model.features(torch.tensor(every[:1])))[0]
        actions, _ = model.predict(every)
        if combinations:
            assert actions.tolist() == [0, 1, 1, 0]
            held = [model.value.read(model.features(torch.tensor(bits[None])))[0].tolist() for bits in every]
            np.testing.assert_allclose(held, [[1, 0], [0, 1], [0, 1], [1, 0]], atol=0.02)
    assert abs(float(values[0][0]) - 0.5) < 0.3  # without, nothing better than the mean can be said


def test_a_write_takes_up_its_share_of_the_surprise_whatever_the_number_of_features() -> None:
    for features in (TileCoding(tilings=3), TileCoding(tilings=16, tiles=2)):
        model = EmotionalQ(
            "MountainCar-v0", AffectConfig.levels(0), features=features, step_size=0.25, seed=0
        ).learn(1)
        model.value.M.zero_()
        before = model.observation
        assert before is not None
        model.learn(1)
        held = model.value.read(model.features(before))
        assert held.min().item() == pytest.approx(-0.25)
        assert held.max().item() == 0


def test_efficacy_begins_at_one_whatever_the_number_of_features() -> None:
    model = EmotionalQ("CartPole-v1", AffectConfig.levels(1), features=TileCoding(tilings=4), seed=0)
    anger = model.affect.anger
    assert anger is not None
    key = model.features(torch.zeros(1, 4))
    assert anger.memory.read(key).tolist() == [[1.0, 1.0]]
    assert float(anger.limit(torch.tensor([0]), key, torch.tensor([1]))) == 10


def test_calling_learn_again_and_loading_go_on(tmp_path: Path) -> None:
    whole = EmotionalQ("CartPole-v1", population=3, seed=1).learn(300)
    parts = EmotionalQ("CartPole-v1", population=3, seed=1).learn(123).learn(177)
    assert torch.equal(whole.value.M, parts.value.M)
    features = TileCoding(
        low=[-2.4, -np.inf, -0.2, -3], high=[2.4, np.inf, 0.2, 3], tilings=4, tiles=5, size=999
    )
    model = EmotionalQ("CartPole-v1", features=features, population=2, seed=1).learn(200)
    file = model.save(tmp_path / "a")
    loaded = EmotionalQ.load(file)
    assert (loaded.features.keys, loaded.features.active) == (model.features.keys, 4)
    points = np.random.default_rng(0).normal(size=(50, 4)).clip(-0.3, 0.3)
    coded = torch.tensor(points, dtype=torch.float32)
    assert torch.equal(loaded.features(coded), model.features(coded))
    assert torch.equal(loaded.value.M, model.value.M)
    assert loaded.predict(points, member=1)[0].tolist() == model.predict(points, member=1)[0].tolist()
    assert loaded.learn(50).num_timesteps == 250
    data = file.read_bytes()
    facts = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["facts"])
    assert facts["features"]["kind"] == "TileCoding"
    assert facts["features"]["low"][1] is None  # strict JSON has no infinity
    with pytest.raises(
        CheckpointError, match=r"env: got Box\(2\) observations and 3 actions, expected Box\(4\) and 2"
    ):
        EmotionalQ.load(file, env="MountainCar-v0")
    with pytest.raises(
        ValueError, match=r"env: got Box\(2\) observations and 3 actions, expected Box\(4\) and 2"
    ):
        loaded.set_env("MountainCar-v0")


def test_default_bounds_stay_those_of_the_first_space(tmp_path: Path) -> None:
    model = EmotionalQ(Sampler(box([0], [1])), seed=0).learn(20)
    wider = EmotionalQ.load(model.save(tmp_path / "a"), env=Sampler(box([0], [10])))
    points = torch.linspace(0, 1, 30)[:, None]
    assert torch.equal(wider.features(points), model.features(points))
    assert not torch.equal(features_for(box([0], [10]))(points), model.features(points))


class Halves:
    """Features of one's own: the sign of each number."""

    def __init__(self, numbers: int) -> None:
        self.keys, self.active = 2 * numbers, numbers

    def __call__(self, observation: Tensor) -> Tensor:
        return (observation > 0).to(torch.int64) + 2 * torch.arange(self.active)

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        return (before != after).any(-1)


def test_features_of_ones_own_come_back_with_the_file_and_the_hand(tmp_path: Path) -> None:
    mine = Halves(4)
    assert isinstance(mine, Features)
    model = EmotionalQ("CartPole-v1", features=mine, seed=0).learn(100)
    file = model.save(tmp_path / "a")
    with pytest.raises(
        CheckpointError, match=r"features: got none, expected load\(path, features=...\).*Halves"
    ):
        EmotionalQ.load(file)
    with pytest.raises(CheckpointError, match=r"features: got 6 keys with 3 active, expected 8 with 4"):
        EmotionalQ.load(file, features=Halves(3))
    loaded = EmotionalQ.load(file, features=mine)
    assert torch.equal(loaded.value.M, model.value.M)


def test_predict_takes_points_singly_and_in_batches() -> None:
    model = EmotionalQ("CartPole-v1", AffectConfig.levels(0), population=3, seed=0).learn(50)
    assert model.predict(np.zeros((3, 4)))[0].shape == (3,)
    assert model.predict(np.zeros(4), member=2)[0].shape == ()
    assert model.predict(np.zeros((5, 4)), member=1)[0].shape == (5,)
    with pytest.raises(ValueError, match=r"observation: got shape \[4\], expected \[3, 4\], one a member"):
        model.predict(np.zeros(4))
    with pytest.raises(ValueError, match=r"observation: got shape \[3, 5\], expected \[\.\.\., 4\]"):
        model.predict(np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"observation: got nan, expected elements of Box"):
        model.predict(np.full((3, 4), np.nan))
    with pytest.raises(ValueError, match=r"observation: got 9, expected elements of Box"):
        model.predict(np.full((3, 4), 9.0))
    cards = EmotionalQ("Blackjack-v1", AffectConfig.levels(0), seed=0)
    assert cards.predict((12, 3, 1))[0].shape == ()
    assert cards.predict((np.array([12, 13]), np.array([3, 3]), np.array([0, 1])))[0].shape == (2,)
    with pytest.raises(ValueError, match=r"observation: got 40, expected elements of Tuple"):
        cards.predict((40, 3, 1))
    with pytest.raises(ValueError, match=r"observation: got 'cards', expected elements of Tuple"):
        cards.predict("cards")


@pytest.mark.parametrize(
    ("env", "here", "there", "nothing"),
    [
        ("CartPole-v1", [0.1, 0.2, 0.05, 0.3], [0.1, 0.2, 0.05, 0.4], np.nan),
        ("Blackjack-v1", [12, 3, 1], [13, 3, 1], -1),
    ],
)
def test_anger_persists_in_predict_on_any_kind_of_observation(
    env: str, here: Any, there: Any, nothing: float
) -> None:
    model = EmotionalQ(env, AffectConfig.levels(1), seed=2)  # all values equal: ties are broken at random
    seen: Any = tuple(np.array([part]) for part in here) if env.startswith("Black") else [here]
    angry: Any = np.array([[*here, 1, 0]])
    for pushes in range(1, 10):
        action, angry = model.predict(seen, angry)
        assert action.tolist() == [1], pushes
    assert angry[0, -1] == 9
    assert angry.shape == (1, len(here) + 2)
    _, state = model.predict(seen, angry, episode_start=[True])
    assert state is not None
    assert state[0, -1] == 0
    elsewhere: Any = tuple(np.array([part]) for part in there) if env.startswith("Black") else [there]
    just = np.array([[*here, 1, 0]])
    assert {int(model.predict(seen, just)[0][0]) for _ in range(40)} == {1}
    assert {int(model.predict(elsewhere, just)[0][0]) for _ in range(40)} == {0, 1}
    nowhere = np.array([[*[nothing] * len(here), 1, 5]])
    assert len({int(model.predict(seen, nowhere)[0][0]) for _ in range(40)}) == 2
    with pytest.raises(ValueError, match=r"state: got shape \[1, 2\], expected \[1, "):
        model.predict(seen, angry[:, :2])


def test_evaluate_policy_of_stable_baselines3_works_on_vectors() -> None:
    model = EmotionalQ("CartPole-v1", AffectConfig.levels(1), step_size=0.3, seed=0).learn(800)
    mean, _ = evaluate_policy(model, make_vec_env("CartPole-v1", n_envs=2, seed=0), n_eval_episodes=6)  # type: ignore[arg-type]
    assert float(mean) > 30  # type: ignore[arg-type]  # 22 at random
    cards = EmotionalQ("Blackjack-v1", AffectConfig.levels(2), seed=0).learn(300)
    mean, _ = evaluate_policy(cards, gymnasium.make("Blackjack-v1"), n_eval_episodes=20, warn=False)  # type: ignore[arg-type]
    assert -1 <= float(mean) <= 1  # type: ignore[arg-type]


# ---------------------------------------------------------------- learning


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize(
    ("env", "steps", "threshold", "arguments"),
    [
        ("MountainCar-v0", 20_000, -160.0, {"step_size": 0.8, "discount": 1.0, "exploration": 0.0}),
        ("CartPole-v1", 15_000, 150.0, {"step_size": 0.3, "exploration": 0.05}),
    ],
)
def test_learns_on_vectors(
    env: str, steps: int, threshold: float, arguments: dict[str, Any], level: int
) -> None:
    model = EmotionalQ(env, AffectConfig.levels(level), population=4, seed=0, **arguments).learn(steps)
    rows = model.episodes
    last = [float(rows["return"][rows["member"] == member][-50:].mean()) for member in range(4)]
    assert np.mean(last) > threshold, last
