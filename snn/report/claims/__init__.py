"""The papers' claims, each with a verdict.

stated.py        the claims: one row each, with direction and margin, fixed before the runs
measurements.py  the quantities that they are about: paired differences, one set a seed
verdicts.py      which verdict the bounds of a difference allow, and how many seeds would decide
"""
