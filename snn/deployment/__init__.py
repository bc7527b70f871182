"""Deployment by hand: a network from a file, labelled recordings from a folder, and what becomes of its accuracy.

    >>> from snn.deployment import deploy
    >>> evaluation = deploy("network.nir", "recordings/", reset="soft")
    >>> print(evaluation)

    recordings.py  labelled recordings of a folder, read in blocks by any reader of `snn/data/readers/`
    evaluation.py  one network in several settings on the same recordings
    page.py        the evaluation as tables, a figure and a page

The command line has the same as `snn deploy-nir`; docs/nir.md is the page for users.
"""

from snn.deployment.evaluation import Evaluation, deploy, evaluate
from snn.deployment.recordings import Recordings

__all__ = ["Evaluation", "Recordings", "deploy", "evaluate"]
