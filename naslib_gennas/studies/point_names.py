"""Names beside the points of a figure: none covers another one, a point, an interval or a line."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

#: Left, low, right and top of what is covered, in pixels.
Box = Tuple[float, float, float, float]
# Places for a name beside its point: how many heights of a line above it, and on which side.
_PLACES = [(side, place) for place in (-0.4, 0.5, -1.3, 1.5, -2.3, 2.5, -3.3, 3.5, -4.4, 4.6) for side in (1, -1)]
#: Names with more characters are cut.
LONGEST = 22


def short(name: str) -> str:
    """A name that is no longer than a figure has room for."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def extent(axis: Any, x: float, low: float, high: float) -> Box:
    """What a point with its interval covers, whichever way the axis runs."""
    (left, bottom), (right, top) = axis.transData.transform([(x, low), (x, high)])
    return left - 4, min(bottom, top) - 2, right + 4, max(bottom, top) + 2


def between(axis: Any, left: Tuple[float, float], right: Tuple[float, float]) -> List[Box]:
    """What a step from one point to the next covers: its level part, and the upright one."""
    (x0, y0), (x1, y1) = axis.transData.transform([left, right])
    return [(x0, y0 - 2, x1, y0 + 2), (x1 - 2, min(y0, y1), x1 + 2, max(y0, y1))]


def label(axis: Any, texts: Sequence[str], point: Tuple[float, float], colour: str, taken: List[Box]) -> None:
    """Write the first of some texts that has room beside its point; the last one where none has.

    Args:
        axis: of a figure that was drawn, so that it has its place.
        texts: the name, and shorter ones.
        point: in the units of the axis.
        colour: of the text.
        taken: what is covered already; the text is added.
    """
    x, y = axis.transData.transform(point)
    frame, scale = axis.get_window_extent(), axis.figure.dpi / 72
    height = 9 * scale
    for text in texts:
        width = 4.8 * len(text) * scale
        boxes = [(x + (7 if side > 0 else -7 - width), y + place * height, side) for side, place in _PLACES]
        free = [(left, low, side) for left, low, side in boxes if _free(left, low, width, height, frame, taken)]
        if free:
            break
    within = [box for box in boxes if frame.x0 <= box[0] and box[0] + width <= frame.x1]
    left, low, side = (free or within or boxes)[0]
    taken.append((left, low, left + width, low + height))
    anchor = axis.transData.inverted().transform((left if side > 0 else left + width, low))
    axis.text(*anchor, text, fontsize=8, color=colour, ha="left" if side > 0 else "right", va="bottom")


def _free(left: float, low: float, width: float, height: float, frame: Any, taken: Sequence[Box]) -> bool:
    """Whether a box is inside the axes and on no other."""
    right, top = left + width, low + height
    inside = frame.x0 <= left and right <= frame.x1 and frame.y0 <= low and top <= frame.y1
    return inside and not any(left < x1 and x0 < right and low < y1 and y0 < top for x0, y0, x1, y1 in taken)
