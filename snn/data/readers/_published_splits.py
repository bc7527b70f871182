"""Splits that published code makes of data sets without an official one: by a rule on the files of each class.

| split | training samples of a class | used by |
| --- | --- | --- |
| `names-90` | the first 90 % of its files, in the alphabetical order of their names | SpikingJelly's `split_to_train_test_set(0.9, …)`, and with it SEW-ResNet (Fang et al. 2021) and Spikformer (Zhou et al. 2023) [code] |
| `numbers-90` | the first 90 % of its files, in the order of the numbers in their names | TET (Deng et al. 2022): 9,000 and 1,000 recordings [paper]; in this order with the preprocessing that its authors name [secondary source] |
| `numbers-70` | the first 70 %, in the order of the numbers | Samadzadeh et al. 2020 [code] |

The first two differ: alphabetically 10 comes before 9. A random split is that of `split.test`.
"""  # noqa: E501

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

PublishedSplit = Literal["names-90", "numbers-90", "numbers-70"]


def official(files: Sequence[Path], rule: PublishedSplit | None) -> list[str | None]:
    """The split of each file of one class, `"train"` or `"test"`; None without a rule; in the order of `files`."""
    if rule is None:
        return [None] * len(files)
    order, percent = rule.split("-")
    ranked = sorted(files, key=(lambda file: file.name) if order == "names" else _number)
    train = set(ranked[: math.ceil(len(files) * int(percent) / 100)])
    return ["train" if file in train else "test" for file in files]


def _number(file: Path) -> tuple[int, str]:
    """The last number in a file's name, then the name."""
    digits = re.findall(r"\d+", file.stem)
    return (int(digits[-1][:18]) if digits else -1), file.name
