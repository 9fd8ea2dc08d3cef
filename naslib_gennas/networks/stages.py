"""Where the stages of a network end: which values of a forward pass are its stage feature maps.

A stage is what a network computes at one resolution. Its feature map is the output of the last block at that
resolution, not a value inside the next block (an inverted residual block widens its input before it lowers the
resolution). What every path to the last map passes through is the network's trunk: values inside of branches are no
stages. Networks whose resolution rises again (U-Nets) have stages on the way up, and networks of one resolution
(vision transformers) have them after a third, two thirds and all of their repeated blocks.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from naslib_gennas.networks.calls import Call, Calls, Value

# A side that shrinks to less, or grows to more, than this part of it ends a stage; an unpadded convolution does not.
DROP, RISE = 0.67, 1.5
# The part of all parameters that must work at a resolution for it to be a stage of its own beside the trunk.
OWN_SHARE = 0.02
# The part of the parameters that one resolution must have for the network to be one of that resolution.
ISOTROPIC = 0.85
# Convolutions on the trunk that are too many for one block that lowers the resolution.
BODY = 3


@dataclass(frozen=True)
class Found:
    """The stages of a network.

    Attributes:
        ends: the values that are the stage feature maps, early ones first.
        head: the parameters that no feature map depends on, a bit each: a classifier's.
        unused: those that the forward pass does not use at all.
    """

    ends: Tuple[Value, ...]
    head: int
    unused: int


def find(calls: Calls, count: int = 3, excluded: Sequence[int] = ()) -> Found:
    """The last `count` stages; none where the network has no feature maps.

    Args:
        calls: see `calls.read`.
        count: how many at most.
        excluded: values that must not be used.
    """
    used, mapped = 0, 0
    for value in calls.values:
        used |= value.parameters
        if value.size > 1 and value.given:
            mapped |= value.parameters
    unused = (1 << len(calls.parameters)) - 1 & ~used
    search = _Search(calls, set(excluded))
    ends, behind = search.ends(count)
    return Found(tuple(ends), used & ~(mapped & ~behind), unused)


class _Search:
    def __init__(self, calls: Calls, excluded: set) -> None:
        self.calls, self.values = calls, calls.values
        self._counted: Dict[int, int] = {}
        self.maps = [v for v in calls.values if v.given and v.size > 1 and v.parameters and v.index not in excluded]
        self.made_by: Dict[int, List[int]] = {}
        for index, call in enumerate(calls.calls):
            for _, value in call.outputs:
                self.made_by.setdefault(value, []).append(index)
        self.before = calls.ancestors
        self.starts = self._starts()

    def share(self, bits: int) -> float:
        """The part of all numbers in parameters that these hold."""
        total = max(1, sum(size for _, size in self.calls.parameters))
        if bits not in self._counted:
            self._counted[bits] = self.calls.elements(bits)
        return self._counted[bits] / total

    def ends(self, count: int) -> Tuple[List[Value], int]:
        """The ends of stages, and the parameters of what comes after the last block of a network of one resolution."""
        if not self.maps:
            return [], 0
        last = self._last()
        turn = self._turn(last)
        down = self._levels(self._trunk(turn, None))
        ends = self._with_branches(self._ends(down), turn)
        if turn is not last:
            up = self._levels([v for v in self._trunk(last, turn) if v.index > turn.index])
            rising = [level for level in up if level and _rises(turn.grid, level[-1].grid)]
            return _spread(ends, self._ends(rising) or [last], count), 0
        repeated = self._repeated(down[-1:])
        before = ends[-2].parameters if len(ends) > 1 else 0
        nearly_all = self.share(turn.parameters & ~before) >= ISOTROPIC * self.share(turn.parameters)
        if len(repeated) >= count > 1 and nearly_all and self._only_there(repeated):
            return self._split(ends, repeated, count)
        if len(ends) < count and len(repeated) > 1:
            return self._split(ends, repeated, count)
        return ends[-count:], 0

    def _last(self) -> Value:
        """The map with the most parameters behind it; of equal ones the last before the resolution rises. A module's
        output counts as later than what a function makes of it alone, but not than its sum with a shortcut."""
        most = max(self.share(v.parameters) for v in self.maps)
        full = [v for v in self.maps if self.share(v.parameters) >= most]
        chosen = full[0]
        for value in full[1:]:
            if _rises(chosen.grid, value.grid) or not self.before[value.index] >> chosen.index & 1:
                continue
            named = value.index in self.made_by or chosen.index not in self.made_by
            if named or not self._trunk_bits(value, None)[value.index] >> chosen.index & 1:
                chosen = value
        return chosen

    def _turn(self, last: Value) -> Value:
        """Where the resolution begins to rise towards the last map: the end of the encoder; else the last map."""
        lower = [v for v in self.maps if self.before[last.index] >> v.index & 1 and _drops(last.grid, v.grid)]
        own: Dict[Tuple[int, ...], int] = {}
        for value in lower:
            own[value.grid] = own.get(value.grid, 0) | value.own
        for grid in sorted(own, key=math.prod):
            if self.share(own[grid]) >= 2 * OWN_SHARE:
                turn = max((v for v in lower if v.grid == grid), key=lambda v: (self.share(v.parameters), v.index))
                return self._before_rise(turn)
        return last

    def _before_rise(self, turn: Value) -> Value:
        """The value that a block begins with which only raises the resolution, where the turn lies inside of one."""
        for index in self.calls.inside(turn.call):
            call = self.calls.calls[index]
            if call.parent < 0 or call.entered < 0 or not call.composite or not call.outputs:
                continue
            entered, left = self.values[call.entered], self.values[call.outputs[0][1]]
            inside = self.values[call.start : call.end]
            if entered.grid != turn.grid or entered not in self.maps or not _rises(entered.grid, left.grid):
                continue
            if sum(v.weighted for v in inside) == 1 and all(v.grid in (entered.grid, left.grid, ()) for v in inside):
                return entered
        return turn

    def _starts(self) -> set:
        """The inputs that paths begin at: those that maps of their own are made of, not a time step or a mask."""
        inputs = [value.index for value in self.values if value.given and not value.parents]
        every = sum(1 << index for index in inputs)
        alone = {self.before[value.index] & every for value in self.maps}
        return {index for index in inputs if 1 << index in alone} or set(inputs)

    def _trunk(self, end: Value, start: Optional[Value]) -> List[Value]:
        """The maps that every path from `start` (the network's input) to `end` passes through."""
        through = self._trunk_bits(end, start)
        return [v for v in self.maps if through[end.index] >> v.index & 1] if through else []

    def _trunk_bits(self, end: Value, start: Optional[Value]) -> List[int]:
        """For each value up to `end`, those that every path from `start` to it passes through, a bit each."""
        through: List[int] = []
        for value in self.values[: end.index + 1]:
            behind = [through[p] for p in value.parents if through[p]]
            if start is not None:
                fresh = 1 << value.index if value.index == start.index else 0
                behind = [] if value.index <= start.index else behind
            else:
                fresh = 1 << value.index if value.index in self.starts else 0
            bits = fresh
            if behind:
                common = behind[0]
                for other in behind[1:]:
                    common &= other
                bits |= common | 1 << value.index
            through.append(bits)
        return through

    def _levels(self, trunk: Sequence[Value]) -> List[List[Value]]:
        """The trunk cut where the resolution changes."""
        levels: List[List[Value]] = []
        for value in trunk:
            if not levels or _differs(levels[-1][-1].grid, value.grid):
                levels.append([])
            levels[-1].append(value)
        return levels

    def _ends(self, levels: Sequence[List[Value]]) -> List[Value]:
        ends = []
        for index, level in enumerate(levels):
            end = level[-1]
            if index + 1 < len(levels):
                end = self._before_block(level, levels[index + 1][0], levels)
            # A module's output where nothing was added to it since: a name that says more than a function's.
            named = [v for v in level if v.index <= end.index and v.index in self.made_by]
            ends.append(named[-1] if named and named[-1].parameters == end.parameters else end)
        return ends

    def _before_block(self, level: List[Value], first: Value, levels: Sequence[List[Value]]) -> Value:
        """The end of a level: outside of the block that makes the first value of the next one."""
        end = level[-1]
        for index in reversed(self.calls.inside(first.call)):
            call = self.calls.calls[index]
            if call.parent < 0 or call.start > end.index:
                continue
            earlier = [v for v in level if v.index < call.start]
            if not earlier or not self._is_block(index, call, end, level, levels):
                break
            end = earlier[-1]
        return end

    def _is_block(self, index: int, call: Call, end: Value, level: List[Value], levels: Sequence[List[Value]]) -> bool:
        """Whether a call that lowers the resolution is one block, not the body of the network or a stage."""
        if sum(any(call.start <= v.index < call.end for v in values) for values in levels) > 2:
            return False
        inside = [v for v in level if call.start <= v.index <= end.index]
        if sum(v.weighted for v in inside) >= BODY:
            return False
        for value in inside:
            for other in self.made_by.get(value.index, ()):
                made = self.calls.calls[other]
                if other == index or not made.composite or index not in self.calls.inside(other) or made.entered < 0:
                    continue
                layers = any(v.weighted for v in self.values[made.start : made.end])
                if layers and self.values[made.entered].shape == value.shape:
                    return False
        return True

    def _with_branches(self, ends: List[Value], turn: Value) -> List[Value]:
        """Adds the resolutions that the trunk does not show: of networks whose cells take two inputs, say."""
        own: Dict[Tuple[int, ...], int] = {}
        inside = [v for v in self.maps if self.before[turn.index] >> v.index & 1]
        for value in inside:
            own[value.grid] = own.get(value.grid, 0) | value.own
        found = list(ends)
        for grid, bits in own.items():
            if self.share(bits) < OWN_SHARE or not all(_differs(end.grid, grid) for end in found):
                continue
            if not _differs(turn.grid, grid) or self._within_a_block(grid, inside):
                continue
            here = [v for v in inside if v.grid == grid and v.index in self.made_by]
            most = max((self.share(v.parameters) for v in here), default=0.0)
            depth = {v.index: min(len(self.calls.inside(c)) for c in self.made_by[v.index]) for v in here}
            for level in sorted(set(depth.values())):
                shallow = [v for v in here if depth[v.index] == level]
                if self.share(shallow[-1].parameters) >= most / 2:
                    found.append(shallow[-1])
                    break
        return sorted(found, key=lambda v: v.index)

    def _within_a_block(self, grid: Tuple[int, ...], inside: Sequence[Value]) -> bool:
        """Whether a block lowers the resolution in two steps, and only it works at the one in between."""
        owners = [v for v in inside if v.grid == grid and v.own]
        if sum(v.weighted for v in owners) >= BODY:
            return False
        chains = [self.calls.inside(v.call) for v in owners]
        for index in reversed(chains[0]):
            call = self.calls.calls[index]
            if call.composite and all(index in chain for chain in chains):
                before = self.values[call.entered].grid if call.entered >= 0 else ()
                after = [self.values[value].grid for _, value in call.outputs]
                return (
                    call.parent >= 0
                    and bool(before and after and after[0])
                    and (_drops(before, grid) and _drops(grid, after[0]))
                )
        return False

    def _repeated(self, levels: Sequence[List[Value]]) -> List[Value]:
        """The outputs of the longest chain of equal blocks that keep the shape, side by side on the trunk; or their
        sums with a shortcut, where the sum is not part of the block."""
        outputs: Dict[Tuple[int, type, bool], List[Value]] = {}
        sums: Dict[Tuple[int, type, bool], List[Value]] = {}
        trunk = [value for level in levels for value in level]
        for value in self.maps:
            for index in self.made_by.get(value.index, ()):
                call = self.calls.calls[index]
                if call.entered < 0 or self.values[call.entered].shape != value.shape or call.end <= call.start:
                    continue
                if not any(inner.own for inner in self.values[call.start : call.end]):
                    continue
                kind = (call.parent, call.kind, call.composite)
                if any(value.index == other.index for other in trunk):
                    outputs.setdefault(kind, []).append(value)
                elif any(call.entered == other.index for other in trunk):
                    after = (v for v in trunk if self.before[v.index] >> value.index & 1 and v.shape == value.shape)
                    sums.setdefault(kind, []).extend(itertools.islice(after, 1))
        blocks = any(composite or len(chain) > 1 for (_, _, composite), chain in outputs.items())
        groups = outputs if blocks else sums
        chains = [(composite, len(chain), chain) for (_, _, composite), chain in groups.items()]
        return max(chains, key=lambda entry: entry[:2])[2] if chains else []

    def _only_there(self, repeated: List[Value]) -> bool:
        """Whether blocks of that kind work at one resolution only: what comes before them is a stem."""
        last = repeated[-1]
        made = [self.calls.calls[index] for index in self.made_by.get(last.index, ())]
        before = [call for call in made if call.entered >= 0 and self.values[call.entered].shape == last.shape]
        kinds = {call.kind for call in before if call.composite}
        for call in self.calls.calls:
            for path, index in call.outputs:
                grid = self.values[index].grid
                if call.kind in kinds and not path and grid and _differs(grid, last.grid):
                    return False
        return bool(kinds)

    def _with_what_follows(self, repeated: List[Value], last: Value) -> List[Value]:
        """The blocks' ends; after what works between each of them and the next, where that is much: experts, say."""
        following = []
        for block, after in zip(repeated, repeated[1:]):
            made = self.made_by.get(after.index)
            entered = self.calls.calls[min(made)].entered if made else -1  # of the outermost call that gives it
            value = self.values[entered] if entered >= 0 else block
            if value.index <= block.index or value.shape != block.shape or value not in self.maps:
                return repeated
            following.append(value)
        gaps = [self.share(value.parameters & ~block.parameters) for value, block in zip(following, repeated)]
        if not gaps or min(gaps) < OWN_SHARE or last.shape != repeated[-1].shape:
            return repeated
        return [*following, last]

    def _split(self, ends: List[Value], repeated: List[Value], count: int) -> Tuple[List[Value], int]:
        """One level's blocks as several stages; what comes after the last block is the head."""
        repeated = self._with_what_follows(repeated, ends[-1])
        parts = min(len(repeated), count)
        chosen = [repeated[math.ceil(len(repeated) * (i + 1) / parts) - 1] for i in range(parts)]
        behind = ends[-1].parameters & ~repeated[-1].parameters
        if self.share(behind) >= 0.5:  # more than a head: it must be reached
            chosen, behind = [*chosen[:-1], ends[-1]], 0
        return [*ends[:-1], *chosen][-count:], behind


def _spread(down: List[Value], up: List[Value], count: int) -> List[Value]:
    """The last map, the end of the encoder, and what lies between and before them, `count` in all."""
    if count == 1:
        return up[-1:]
    rising = min(len(up), max(1, count - 1))
    chosen = [up[math.ceil(len(up) * (i + 1) / rising) - 1] for i in range(rising)]
    return [*down[-(count - len(chosen)) :], *chosen]


def _drops(before: Tuple[int, ...], after: Tuple[int, ...]) -> bool:
    if len(before) != len(after):
        return len(after) < len(before) and math.prod(after) < DROP * math.prod(before)
    return any(new < DROP * old for old, new in zip(before, after))


def _rises(before: Tuple[int, ...], after: Tuple[int, ...]) -> bool:
    if len(before) != len(after):
        # A sequence that an image's tokens are put into is no higher resolution.
        return len(before) < len(after) and math.prod(after) > RISE * math.prod(before)
    return any(new > RISE * old for old, new in zip(before, after))


def _differs(before: Tuple[int, ...], after: Tuple[int, ...]) -> bool:
    return _drops(before, after) or _rises(before, after) or len(before) != len(after)
