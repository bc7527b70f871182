"""How a network is trained and evaluated: the contract of a method, the loop, checkpoints, evaluation."""
