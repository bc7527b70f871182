"""Numbers of the surrogates' shapes, as the kernels and `snn.neurons.surrogates` know them.

Compiled kernels are kept by the date of `neuron.py`: who renumbers here touches that file.
"""

WINDOW, TRIANGLE, EXPONENTIAL, LORENTZ, SECH2 = range(5)
