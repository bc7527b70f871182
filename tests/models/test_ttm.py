"""The temporal transformation module against the vectors and the property of its specification."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from snn.models.ttm import drawn_groups, groups, transform

VECTORS = [
    (5, 3, [[0, 1], [2], [3, 4]]),
    (6, 4, [[0], [1, 2], [3], [4, 5]]),
    (10, 4, [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]),
    (5, 2, [[0, 1], [2, 3, 4]]),
    (6, 1, [[0, 1, 2, 3, 4, 5]]),
    (4, 4, [[0], [1], [2], [3]]),
]


@pytest.mark.parametrize(("a", "b", "expected"), VECTORS)
def test_groups_are_the_published_ones(a, b, expected):
    for edges in (groups(a, b), groups(b, a)):
        assert [list(range(i, j)) for i, j in pairwise(edges)] == expected


def test_groups_partition_the_longer_side():
    for long in range(1, 201):
        for short in range(1, long + 1):
            edges = groups(long, short)
            assert len(edges) == short + 1
            assert edges[0] == 0
            assert edges[-1] == long
            assert all(i < j for i, j in pairwise(edges)), (long, short)


@pytest.mark.parametrize(("a", "b", "expected"), VECTORS)
def test_fewer_steps_are_sums(a, b, expected):
    x = torch.arange(1.0, 2 * a + 1).reshape(a, 2)
    assert torch.equal(transform(x, b), torch.stack([x[group].sum(0) for group in expected]))


@pytest.mark.parametrize(
    ("a", "b", "expected"), [(3, 5, [0, 0, 1, 2, 2]), (2, 5, [0, 0, 1, 1, 1]), (1, 6, [0] * 6), (4, 4, [0, 1, 2, 3])]
)
def test_more_steps_are_repetitions(a, b, expected):
    x = torch.randn(a, 3, 2)
    assert torch.equal(transform(x, b), x[expected])


def test_same_steps_are_the_same_tensor():
    x = torch.randn(4, 2)
    assert transform(x, 4) is x


@pytest.mark.parametrize(("a", "b"), [(7, 3), (3, 7), (5, 5), (6, 1), (1, 6)])
def test_gradients(a, b):
    x = torch.randn(a, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: transform(y, b), x)


def test_spikes_are_neither_lost_nor_made_when_time_gets_shorter():
    x = (torch.rand(13, 4, 5) < 0.3).float()
    for t in range(1, 14):
        assert torch.equal(transform(x, t).sum(0), x.sum(0))


@pytest.mark.parametrize("t", [2, 9])
def test_channels_last_stays(t):
    x = torch.randn(5 * 3, 4, 6, 6).contiguous(memory_format=torch.channels_last).unflatten(0, (5, 3))
    y = transform(x, t)
    assert y.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, transform(x.contiguous(), t))


def test_cached_indices_survive_inference_mode():
    with torch.inference_mode():
        transform(torch.ones(11, 2), 9)
    x = torch.ones(11, 2, requires_grad=True)
    transform(x, 9).sum().backward()
    assert torch.equal(x.grad, torch.ones(11, 2))


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="count from 1"):
        groups(0, 3)


def test_the_steps_of_a_group_are_averaged_or_its_first_is_taken():
    x = torch.arange(1.0, 6.0).reshape(5, 1)
    assert transform(x, 3, "mean").flatten().tolist() == [1.5, 3.0, 4.5]
    assert transform(x, 3, "first").flatten().tolist() == [1.0, 3.0, 4.0]
    assert torch.equal(transform(x, 8, "mean"), transform(x, 8))


@pytest.mark.parametrize("order", ["sorted", "reversed", "random"])
def test_drawn_groups_are_never_empty_and_in_their_order(order):
    g = torch.Generator().manual_seed(0)
    drawn = [drawn_groups(7, 3, order, g).tolist() for _ in range(50)]
    assert all(set(index) == {0, 1, 2} for index in drawn)
    assert len(set(map(tuple, drawn))) > 5
    if order != "random":
        assert all(index == sorted(index, reverse=order == "reversed") for index in drawn)
    x = torch.rand(7, 2)
    assert torch.allclose(transform(x, 3, order, g).sum(0), x.sum(0)), "no spike is lost"
    assert transform(x[:3], 7, order, g).shape == (7, 2)
    with pytest.raises(ValueError, match="pass a generator"):
        transform(x, 3, order)
