"""Training and evaluation of networks: the contract of a method, the loop, optimisation, checkpoints, evaluation."""
