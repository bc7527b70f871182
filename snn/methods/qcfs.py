"""QCFS: conversion of an ANN whose activations are those of spiking neurons already (Bu et al.; ICLR 2022).

As `snn/methods/conversion.py`, from the ANN `ann-qcfs`. Its trained upper bounds λ_l take the place of percentiles, and
neurons start at half their threshold:

    v[-1] = θ/2,      W_l  <-  (λ_{l-1}/λ_l) · θ · W_l,      λ_0 = 1

where a spike of layer l stands for λ_l/T of activation (an event of the input for one, an image at each of T steps for
1/T). For a constant current c a neuron of one spike a step then fires clip(⌊cT/λ_l + ½⌋, 0, T) times, which at T = L is
the activation of the ANN exactly. Deeper layers get spikes that are not evenly spaced in time, so that the network is
not exact. The published network has no lower bound of the membrane and at most one spike a step; here the neuron is the
configured one but for its initial membrane: a bound (`v_min`) discards inhibition, and neurons of several spikes a step
are not clipped at λ_l.

The identity branch of a residual stage and a spiking readout are as in `conversion`: λ_l is only a least value there,
and the readout has a percentile (`percentile`). What `conversion` says of events holds here, too: the ANN sees a
recording as a whole. The initial membrane is part of the deployed network.

Time steps: none, as it does not train; those of the teacher are the cell `ann-qcfs`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from snn.methods.ann_qcfs import QuantisedReLU
from snn.methods.conversion import Conversion, convert
from snn.models.blueprint import Blueprint
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec


class QCFS(Conversion):
    paper = "Bu et al., Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency SNNs, ICLR 2022"

    @classmethod
    def teacher(cls, params: Any) -> str:
        return "ann-qcfs"

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        return replace(blueprint, neuron=starting_at_half(blueprint.neuron)).build()

    def before_evaluation(self, model: Network, batches: Iterator[Tensor]) -> None:
        teacher, steps = self.run.require_teacher(), self.run.t_train
        bounds = {
            name: max(module.bound.item(), 1e-6)
            for name, module in teacher.named_modules()
            if isinstance(module, QuantisedReLU)
        }
        state = teacher.state_dict()
        model.load_state_dict({name: state[name] for name in model.state_dict()})
        full = self.full_rates(batches, ["readout"]) | bounds
        convert(model, full, steps, self.run.train.logits == "mean", 1.0 / steps if self.run.static else 1.0)


def starting_at_half(neuron: NeuronSpec) -> NeuronSpec:
    """The neuron with an initial membrane of θ/2."""
    return neuron.model_copy(update={"v_init": neuron.threshold / 2})


METHOD = QCFS
