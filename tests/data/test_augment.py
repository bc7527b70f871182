"""Augmentations change a sample alike at all time steps, by draws from the generator alone."""

import torch

from snn.data.augment import cutout, flipped, rolled, shifted


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


def test_cutout_zeroes_one_square_at_all_time_steps():
    x = torch.ones(3, 200, 2, 12, 10)
    y = cutout(x, 5, torch.Generator().manual_seed(0))
    assert torch.equal(y, y[:1, :, :1].expand_as(y)), "one square for all times and channels"
    sizes = (1 - y[0, :, 0]).sum((1, 2))
    assert sizes.max() == 25
    assert sizes.min() >= 9, "centred on a pixel: at a corner 3 x 3 of it are left"
    for mask in (1 - y[0, :, 0]).bool():
        rows, columns = (mask.any(d).nonzero().flatten() for d in (1, 0))
        assert mask.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1), "a rectangle"
    assert cutout(x, 0, torch.Generator()) is x
