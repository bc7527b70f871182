"""Shifts, rolls and flips of frames: one draw for each sample, the same at all its time steps."""

from __future__ import annotations

import torch

from snn.data.frames import flipped, rolled, shifted


def test_shift_moves_every_step_of_a_sample_alike_and_brings_in_zeros():
    x = torch.arange(2 * 3 * 1 * 4 * 5, dtype=torch.float32).reshape(2, 3, 1, 4, 5) + 1
    y = shifted(x, 2, torch.Generator().manual_seed(1))
    dy, dx = torch.randint(-2, 3, (2, 3, 1), generator=torch.Generator().manual_seed(1)).squeeze(-1).tolist()
    for n in range(3):
        for r in range(4):
            for c in range(5):
                inside = 0 <= r - dy[n] < 4 and 0 <= c - dx[n] < 5
                for t in range(2):
                    assert y[t, n, 0, r, c] == (x[t, n, 0, r - dy[n], c - dx[n]] if inside else 0)
    assert shifted(x, 0, torch.Generator()) is x


def test_roll_moves_every_step_of_a_sample_alike_and_around():
    x = torch.arange(2 * 3 * 1 * 4 * 5, dtype=torch.float32).reshape(2, 3, 1, 4, 5)
    y = rolled(x, 2, torch.Generator().manual_seed(1))
    dy, dx = torch.randint(-2, 3, (2, 3, 1), generator=torch.Generator().manual_seed(1)).squeeze(-1).tolist()
    for n in range(3):
        assert torch.equal(y[:, n], x[:, n].roll((dy[n], dx[n]), (-2, -1)))
    assert rolled(x, 0, torch.Generator()) is x


def test_flip_mirrors_whole_samples():
    x = torch.rand(2, 40, 1, 3, 4)
    y = flipped(x, torch.Generator().manual_seed(0))
    same = [torch.equal(y[:, n], x[:, n]) for n in range(40)]
    assert all(s or torch.equal(y[:, n], x[:, n].flip(-1)) for n, s in enumerate(same))
    assert 8 < sum(same) < 32
