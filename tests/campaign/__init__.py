"""The campaign: damaged inputs, kills, full disks and odd surroundings, and the one rule that all must keep.

    make campaign                          a few minutes
    make campaign N=20000 KILLS=100        the full one
    python -m tests.campaign --only recordings/nmnist --seed 1 --first 37 --number 1       one trial again

The rule: one clear line with a remedy, or the same bits as an undisturbed run. Never a traceback, a hang, a crash of
the interpreter, or silence about an input that is invalid. See docs/campaign.md. Each file holds one class of trials;
what is random in a trial follows from its class, seed and number alone.
"""
