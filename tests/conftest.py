import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; before torch is imported

import pytest
import torch
from hypothesis import settings

settings.register_profile("fast", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("fast")
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(skip)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
