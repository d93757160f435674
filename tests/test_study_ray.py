"""A study on a Ray cluster of two machines, one of whose workers is killed, gives what processes here give."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from emotional_ed.experiments.cli import main

DOOR = "EmotionalED/JammedDoor-v0"
HAS_RAY = importlib.util.find_spec("ray") is not None
ARGUMENTS = [
    "ablate", DOOR, "--arms", "level-0,level-0+1,level-0+1+2", "--seeds", "2", "--steps", "2500",
    "--checkpoint-seconds", "0.3",
]  # fmt: skip
CLUSTER = """
import os, sys, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
quiet = {"include_dashboard": False, "object_store_memory": 80 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
cluster.wait_for_nodes()
print("ADDRESS", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def numbers(folder: Path) -> tuple[Any, bytes]:
    result = json.loads((folder / "result.json").read_text())
    result.pop("seconds")
    return result, (folder / "metrics.csv").read_bytes()


@pytest.mark.skipif(HAS_RAY, reason="says what to do without Ray, which is installed here")
def test_without_ray_the_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--backend", "ray", "--quiet", "--out", str(tmp_path / "s")]) == 2
    assert (
        "'ray', which is not installed, expected: pip install 'emotional-ed[ray]'" in capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install 'emotional-ed[ray]'")
def test_a_cluster_of_two_workers_one_of_which_is_killed(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    command = [sys.executable, "-m", "emotional_ed.experiments.cli", *ARGUMENTS]
    subprocess.run(
        [*command, "--jobs", "2", "--quiet", "--out", str(here)], check=True, stdout=subprocess.DEVNULL
    )
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:  # fmt: skip
        assert cluster.stdout is not None
        assert cluster.stdin is not None
        try:
            address = next(line.split()[1] for line in cluster.stdout if line.startswith("ADDRESS"))
            with subprocess.Popen(
                [*command, "--backend", "ray", "--address", address, "--out", str(there)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            ) as study:  # fmt: skip
                victim = worker_at(there, study)
                os.kill(victim, signal.SIGKILL)
                table, log = study.communicate(timeout=300)
        finally:
            cluster.stdin.close()
            cluster.wait(60)
    assert study.returncode == 0, log
    assert "level-0+1+2" in table
    assert "was lost" in log
    assert "goes on at step" in log
    assert "Traceback" not in log
    for arm in ("level-0", "level-0+1", "level-0+1+2"):
        assert numbers(there / arm) == numbers(here / arm)
    assert not list((there / ".locks").glob("stop-*"))


def worker_at(folder: Path, study: subprocess.Popen[str]) -> int:
    """Return the process that trains an arm which has a checkpoint and another beside it that trains too."""
    deadline = time.time() + 240
    while time.time() < deadline and study.poll() is None:
        begun = [one.parent.name for one in folder.glob("*/checkpoint.safetensors")]
        running = [name for name in begun if not (folder / name / "result.json").exists()]
        if running and len(list(folder.glob("*/config.json"))) > 1:
            return int((folder / ".locks" / f"{running[-1]}.lock").read_text().split()[1])
        time.sleep(0.05)
    raise AssertionError(f"no worker to kill: {study.communicate()}")
