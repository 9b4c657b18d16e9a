"""Pairs that stand in one order by one quantity and in the other order by another.

Everything that is robust about lines is a count of such pairs: Kendall's tau, and through it the
rank of a slope among the n(n-1)/2 slopes of all pairs of points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.stats.estimate import Vector

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """One level of sorting by halves: every block's upper ranks move behind its lower ones.

    Parameters
    ----------
    ranks : the ranks before the move, by position, shape (n,).
    moves : how far each moves, shape (n,): an upper one forward past the lower ones that stood
        behind it, a lower one back past the upper ones that stood before it. So the size of the
        move is the number of inversions it is in at this level.
    start : position where the upper half of its block begins afterwards, shape (n,).
    after : the ranks after the move, shape (n,).
    """

    ranks: Index
    moves: Index
    start: Index
    after: Index


def splits(ranks: Index) -> Iterator[Split]:
    """Sort a permutation by halving its ranks, bit by bit, from the highest.

    Parameters
    ----------
    ranks : a permutation of 0 to n-1, shape (n,).

    Notes
    -----
    A pair is inverted where a rank with bit 1 stands before one with bit 0 and all higher bits
    are the same; each pair is met at exactly one level. O(n log n) time and O(n) memory: the
    array form of counting by merge sort (Knight, JASA 1966;61:436).
    """
    n = ranks.size
    place = np.arange(n)
    for bit in reversed(range((n - 1).bit_length())):
        upper = (ranks >> bit) & 1
        begin = (ranks >> (bit + 1)) << (bit + 1)
        total = np.concatenate([[0], np.cumsum(upper)])
        before = total[:-1] - total[begin]
        start = np.minimum(begin + (1 << bit), n)
        moves = np.where(upper == 1, start + before - place, -before)
        after = np.empty_like(ranks)
        after[place + moves] = ranks
        yield Split(ranks, moves, start, after)
        ranks = after


def _ordered(first: Vector, then: Vector) -> tuple[Index, Index]:
    """Return the points in order of `then`, and the permutation to sort.

    The second is the rank by `then` of the points in order of `first`, ties in the same order by
    both so that a tied pair is not inverted.
    """
    by_first = np.lexsort((then, first))
    within = np.argsort(then[by_first], kind="stable")
    ranks = np.empty(within.size, dtype=np.intp)
    ranks[within] = np.arange(within.size)
    return by_first[within], ranks


def count_inversions(first: Vector, then: Vector) -> int:
    """Return how many pairs are strictly in opposite order by `first` and by `then`."""
    _, ranks = _ordered(first, then)
    return sum(int(np.abs(s.moves).sum()) for s in splits(ranks)) // 2


def inversions_of_each(first: Vector, then: Vector) -> Index:
    """Return in how many strictly inverted pairs each point is, shape (n,)."""
    points, ranks = _ordered(first, then)
    out = np.zeros(ranks.size, dtype=np.intp)
    for s in splits(ranks):
        out[points[s.ranks]] += np.abs(s.moves)
    return out


def inverted_pairs(first: Vector, then: Vector) -> tuple[Index, Index]:
    """Return the strictly inverted pairs as two lists of points.

    O(n log n) time, plus the number of pairs in time and memory.
    """
    points, ranks = _ordered(first, then)
    one, other = [], []
    for s in splits(ranks):
        low = np.flatnonzero(s.moves < 0)
        many = -s.moves[low]
        # The upper ones it moved past are the first of the upper half afterwards.
        skip = np.repeat(s.start[low] - np.cumsum(many) + many, many)
        one.append(np.repeat(s.ranks[low], many))
        other.append(s.after[skip + np.arange(skip.size)])
    if not one:
        return points[:0], points[:0]
    return points[np.concatenate(one)], points[np.concatenate(other)]


def concordance_of_each(first: Vector, then: Vector) -> Index:
    """Return of each point the pairs it makes in the same order less those in opposite order."""
    return inversions_of_each(first, -then) - inversions_of_each(first, then)
