"""The engine against a real chip: one published network, and what a Speck chip counted in its first layer.

    reference.py   the published network, the chip's counts and published numbers; fetched where they are not at hand
    counts.py      spikes of each neuron of the first layer, and how well two such counts agree
    candidates.py  what might explain neurons that differ: an independent integer sum, its options with their sources
    study.py       all numbers, as tables
    figures.py     the same drawn
    page.py        tables, figures and one page into `reports/silicon/`

`snn silicon --data FOLDER` runs it; docs/silicon.md says what came out. Nothing here is fitted to the chip's counts.
"""
