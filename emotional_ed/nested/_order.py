"""In which order levels run within one step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from emotional_ed.nested._level import Level


def execution_order(levels: Sequence[Level]) -> list[Level]:
    """Order levels by update frequency, and at any frequency by who needs whom.

    A precedes B if B needs a result of A in the same step; among levels free to run, the most frequent
    comes first, and equals keep the order in which they were given.

    Raises:
        ValueError: two levels share a name, one needs an unknown level, or they need each other in a circle.

    Reference:
        Behrouz et al., arXiv 2512.24695, Definition 2 (A before B if f_A > f_B, or if f_A = f_B and B's
        update needs A's result).
    """
    by_name = {level.name: level for level in levels}
    if len(by_name) != len(levels):
        names = sorted(level.name for level in levels)
        raise ValueError(f"levels: got names {names}, expected each name once")
    for level in levels:
        unknown = sorted(set(level.after) - set(by_name))
        if unknown:
            raise ValueError(
                f"level {level.name!r}: got after={unknown}, expected names among {sorted(by_name)}"
            )
    waiting = list(levels)
    order: list[Level] = []
    while waiting:
        done = {level.name for level in order}
        free = [level for level in waiting if done.issuperset(level.after)]
        if not free:
            circle = " -> ".join(_find_circle(waiting))
            raise ValueError(f"levels: got a circle of dependencies {circle}, expected none")
        chosen = max(free, key=lambda level: level.clock.frequency)
        order.append(chosen)
        waiting.remove(chosen)
    return order


def _find_circle(stuck: Sequence[Level]) -> list[str]:
    needs = {
        level.name: [name for name in level.after if any(s.name == name for s in stuck)] for level in stuck
    }
    path = [stuck[0].name]
    while path[-1] not in path[:-1]:
        path.append(needs[path[-1]][0])
    return path[path.index(path[-1]) :]


def rank(frequencies: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Order components by Definition 2: the levels of a system, fastest first.

    Equation:
        A > B  if  f_A > f_B,  or  f_A = f_B and B's update needs A's result;
        neither: A and B are on the same level.

    Args:
        frequencies: updates per step, as measured; infinity for what is solved anew at every step
            (attention), 0 for what never changes in use.
        needs: name -> names whose results its update needs (directly).

    Returns:
        Groups of names, each a level; within a group nothing is comparable.

    Raises:
        ValueError: a frequency is NaN, a name in `needs` has no frequency, or equals need each other in a
            circle.

    Reference:
        Behrouz et al., arXiv 2512.24695, Definition 2.
    """
    if any(math.isnan(one) for one in frequencies.values()):
        raise ValueError(f"frequencies: got {dict(frequencies)}, expected numbers")
    named = {*needs, *(name for many in needs.values() for name in many)}
    unknown = sorted(named - set(frequencies))
    if unknown:
        raise ValueError(f"needs: got {unknown}, expected names among {sorted(frequencies)}")
    groups: list[list[str]] = []
    for frequency in sorted(set(frequencies.values()), reverse=True):
        waiting = [name for name, one in frequencies.items() if one == frequency]
        while waiting:
            free = [name for name in waiting if not set(needs.get(name, ())) & set(waiting)]
            if not free:
                raise ValueError(f"needs: got a circle among {waiting}, expected none")
            groups.append(free)
            waiting = [name for name in waiting if name not in free]
    return groups
