"""A looped block: levels that share one set of parameters are a deep network with tied weights.

Equation:
    h_{i+1} = h_i + D tanh(U h_i),  i = 0 .. N-1,  with the same U, D at each i

    Level i reads the parameters of one source (parametric transfer) and needs the result of level i-1, so
    Definition 2 ranks N levels of equal frequency. What the source learns, all of them know at once.

Source:
    Dehghani et al. (2019), "Universal Transformers", arXiv 1807.03819; Behrouz et al., "Nested Learning",
    arXiv 2512.24695, section 3.3.
"""

import copy

import torch
from torch import Tensor, nn

from emotional_ed.memory import AssociativeMemory, read
from emotional_ed.nested import Clock, Level, NestedSystem, Parameters, Signals, Source, parametric

BATCH, DIM, HIDDEN, LOOPS = 3, 4, 6, 5


class Turn(Level):
    """One turn of the loop: it owns nothing and reads what the source knows."""

    def __init__(self, index: int, source: Source) -> None:
        super().__init__(f"turn{index}", Clock(period=1), after=(f"turn{index - 1}",) if index else ())
        self.source = source

    def update(self, signals: Signals, due: Tensor | None) -> None:
        """Apply the shared block once."""
        got = parametric(self.source, signals["h"])
        signals["h"] = self.source.apply(got.parameters, got.input)


def block(own: Parameters, h: Tensor) -> Tensor:
    """Return h + D tanh(U h)."""
    return h + read(own["down"], torch.tanh(read(own["up"], h)))


def problem() -> tuple[Tensor, Tensor, Tensor]:
    """Return U [HIDDEN, DIM], D [DIM, HIDDEN] and the input [B, DIM]."""
    g = torch.Generator().manual_seed(0)
    shapes = ((HIDDEN, DIM), (DIM, HIDDEN), (BATCH, DIM))
    up, down, x = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in shapes)
    return up, down / 2, x


def build() -> tuple[NestedSystem, AssociativeMemory]:
    """Return the nest, and the shared memory D."""
    up, down, _ = problem()
    memory = AssociativeMemory(DIM, HIDDEN, solver="grad", dtype=torch.float64)
    memory.M.copy_(down)
    source = Source({"up": up, "down": memory.M}, block)
    return NestedSystem([Turn(i, source) for i in reversed(range(LOOPS))], BATCH), memory


def nested(eta: float = 0.3) -> Tensor:
    """Return the outputs before and after one write into D, [2, B, DIM]."""
    (system, memory), x = build(), problem()[2]
    before = system.step({"h": x})["h"]
    memory.write(torch.ones(HIDDEN, dtype=torch.float64), x[0], eta=eta)
    return torch.stack([before, system.step({"h": x})["h"]])


@torch.no_grad()
def reference(eta: float = 0.3) -> Tensor:
    """Do the same with a network unrolled into LOOPS separate copies, each changed on its own."""
    up, down, x = problem()
    narrow, outputs = nn.Linear(HIDDEN, DIM, bias=False, dtype=torch.float64), []
    narrow.weight.copy_(down)
    network, ones = [copy.deepcopy(narrow) for _ in range(LOOPS)], torch.ones(HIDDEN, dtype=torch.float64)
    for change in (0.0, eta):
        h = x
        for layer in network:
            layer.weight += change * torch.outer(x[0] - layer(ones), ones)
            h = h + layer(torch.tanh(nn.functional.linear(h, up)))
        outputs.append(h)
    return torch.stack(outputs)


def difference() -> float:
    """Return the largest difference between the two, before and after learning."""
    return float((nested() - reference()).abs().max())


def main() -> None:
    """Show the equality and the levels as measured."""
    system, _ = build()
    system.step({"h": problem()[2]})
    print(f"looped block: levels as measured: {' > '.join(name for (name,) in system.ranking())}")
    print(f"largest difference from {LOOPS} separate copies, before and after a write: {difference():.1e}")


if __name__ == "__main__":
    main()
