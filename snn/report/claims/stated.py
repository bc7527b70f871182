"""The papers' claims: one row each. Directions and margins are the same for every benchmark.

They are to be fixed before a benchmark runs: whoever changes one after having seen results says so in its report. A
margin is the smallest difference that matters [all margins are ours: no paper states one]. Differences are "first
method minus second". Directions:

    greater   the difference is above zero; equivalent where it lies within ±margin
    not less  the difference is above -margin
    less      the number is below the margin
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from snn.report.claims import measurements
from snn.report.claims.measurements import ClaimQuantity

Direction = Literal["greater", "not less", "less"]
Networks = Literal["every network", "deepest residual network"]
EVERY: Networks = "every network"
DEEPEST_RESIDUAL: Networks = "deepest residual network"


class Claim(NamedTuple):
    """One row.

    name: of the claim in files; statement: a sentence; methods: compared, the claim's own first, all of which a network
    must have; margin: in the quantity's unit (points as fractions, log ratios as logarithms); source: where the claim
    stands, "secondary source" where the paper itself was not read; networks: which ones it is about; own_variant,
    rival_variant: the first or the second method's network is this variant of the network, e.g. one with another
    surrogate gradient.
    """

    name: str
    paper: str
    statement: str
    methods: tuple[str, ...]
    quantity: ClaimQuantity
    direction: Direction
    margin: float
    source: str
    networks: Networks = EVERY
    own_variant: str = ""
    rival_variant: str = ""


MTT, SHORTCUT = "MTT (ICLR 2025)", "Shortcut (NeurIPS 2024)"
DSPIKE, LTL = "Dspike (NeurIPS 2021)", "LTL (NeurIPS 2022)"
SLTT, OTTT, RATEBP = "SLTT (ICCV 2023)", "OTTT (NeurIPS 2022)", "RateBP (NeurIPS 2024)"
KD, TKD, TEBN = "KDSNN (CVPR 2023)", "TKD (ICML 2025)", "TEBN (NeurIPS 2022)"
QCFS, SRP = "QCFS (ICLR 2022)", "SRP (AAAI 2023)"
OVER_T = "CIFAR10-DVS at T = 200, trained at 10: 57 to 59 % (SDT, TET), about 70 % (MTT), secondary source"
ON_EVENTS = "CIFAR10-DVS, authors' simulator: 48.4 % (SDT), 58.5 % (MTT), secondary source"
ON_CHIP = "N-MNIST, Speck2e chip: 92.77 % (SDT), 98.57 % (MTT), secondary source"
AT_T = "N-MNIST: 98.09 % (SDT), 99.16 % (MTT), secondary source"
NEAR_TEACHER = "fast convergence: near the teacher within five epochs, paper"
RECOVERY = "recovery from hardware noise by learning on the chip, paper"
NEAR_BPTT = "near back-propagation through time, secondary source"
FLAT_MEMORY = "memory independent of T, secondary source"
FEW_STEPS = "tables of conversions at few time steps, secondary source"
PLAIN_SURROGATE = "plain-surrogate"
"""The variant whose surrogate gradient has one peak, at the threshold, as in papers without multi-spike neurons."""
MORE_EPOCHS = "more-epochs"
"""The variant that trains for as many more epochs as the temperature's updates cost Dspike in time steps."""
MEMBRANE_READOUT = "membrane-readout"
"""The variant in which accumulated currents decide, not spikes: a class whose neuron stays silent is not lost."""
TEMPORAL_GAINS = "temporal-gains"
"""The variant with a trained factor for each time step in its normalisation (`norm: tescale`, or `tebn`)."""

CLAIMS = [
    Claim("mtt_flatter", MTT, "MTT is flatter over T than SDT", ("mtt", "sdt"),
          measurements.CHANGE_OVER_T, "greater", 0.02, OVER_T),
    Claim("mtt_flatter_matched", MTT, "MTT is flatter over T than SDT at equal compute", ("mtt", "sdt-matched"),
          measurements.CHANGE_OVER_T, "greater", 0.02, OVER_T),
    Claim("mtt_flatter_nmt", MTT, "MTT is flatter over T than NMT", ("mtt", "nmt"),
          measurements.CHANGE_OVER_T, "greater", 0.02, "ablation of the temporal transformation, paper"),
    Claim("mtt_flatter_tet", MTT, "MTT is flatter over T than TET", ("mtt", "tet"),
          measurements.CHANGE_OVER_T, "greater", 0.02, OVER_T),
    Claim("mtt_beyond_training", MTT, "MTT is more accurate than SDT at T above training", ("mtt", "sdt"),
          measurements.ACCURACY_BEYOND_TRAINING, "greater", 0.01, OVER_T),
    Claim("mtt_at_each_t", MTT, "one MTT training is as accurate at each T as SDT trained at that T", ("mtt", "sdt"),
          measurements.ACCURACY_AT_EACH_T, "not less", 0.02, "one network for every T, paper"),
    Claim("mtt_accuracy", MTT, "MTT is more accurate than SDT at the T of training", ("mtt", "sdt"),
          measurements.ACCURACY, "greater", 0.01, AT_T),
    Claim("mtt_accuracy_tet", MTT, "MTT is more accurate than TET at the T of training", ("mtt", "tet"),
          measurements.ACCURACY, "greater", 0.01, "table of static and event data, secondary source"),
    Claim("mtt_event_accuracy", MTT, "MTT is more accurate than SDT event-driven", ("mtt", "sdt"),
          measurements.EVENT_DRIVEN_ACCURACY, "greater", 0.01, ON_CHIP),
    Claim("mtt_event_accuracy_matched", MTT, "MTT is more accurate than SDT event-driven at equal compute",
          ("mtt", "sdt-matched"), measurements.EVENT_DRIVEN_ACCURACY, "greater", 0.01, ON_CHIP),
    Claim("mtt_event_accuracy_tet", MTT, "MTT is more accurate than TET event-driven", ("mtt", "tet"),
          measurements.EVENT_DRIVEN_ACCURACY, "greater", 0.01, ON_EVENTS),
    Claim("mtt_events", MTT, "MTT loses less than SDT on event-driven deployment", ("mtt", "sdt"),
          measurements.EVENT_DRIVEN_CHANGE, "greater", 0.02, ON_EVENTS),
    Claim("mtt_events_matched", MTT, "MTT loses less than SDT on event-driven deployment at equal compute",
          ("mtt", "sdt-matched"), measurements.EVENT_DRIVEN_CHANGE, "greater", 0.02, ON_EVENTS),
    Claim("shortcut_gradient", SHORTCUT, "Shortcut raises the gradients of early layers", ("shortcut", "sdt"),
          measurements.EARLY_GRADIENTS, "greater", math.log(1.25), "vanishing gradients of early layers, paper",
          DEEPEST_RESIDUAL),
    Claim("shortcut_accuracy", SHORTCUT, "Shortcut is more accurate than SDT", ("shortcut", "sdt"),
          measurements.ACCURACY, "greater", 0.01, "CIFAR-100, ResNet-18, T = 2: 71.42 % (SDT), 73.68 %, paper",
          DEEPEST_RESIDUAL),
    Claim("evolutionary_accuracy", SHORTCUT, "Shortcut with evolutionary training is more accurate than SDT",
          ("shortcut-evolutionary", "sdt"), measurements.ACCURACY, "greater", 0.01,
          "CIFAR-100, ResNet-18, T = 2: 71.42 % (SDT), 74.02 %, paper", DEEPEST_RESIDUAL),
    Claim("dspike_adapted", DSPIKE, "Dspike with an adapted temperature is more accurate than with a fixed one",
          ("dspike", "dspike-fixed"), measurements.ACCURACY, "greater", 0.01, "comparison with fixed b, paper"),
    Claim("dspike_frequent", DSPIKE,
          "Dspike with a temperature that is adapted often is more accurate than with a fixed one",
          ("dspike-frequent", "dspike-fixed"), measurements.ACCURACY, "greater", 0.01,
          "comparison with fixed b, paper"),
    Claim("dspike_adapted_matched", DSPIKE,
          "Dspike with an adapted temperature is more accurate than with a fixed one at equal compute",
          ("dspike", "dspike-fixed"), measurements.ACCURACY, "greater", 0.01, "comparison with fixed b, paper",
          rival_variant=MORE_EPOCHS),
    Claim("dspike_accuracy", DSPIKE, "Dspike is more accurate than a fixed surrogate gradient", ("dspike", "sdt"),
          measurements.ACCURACY, "greater", 0.01, "comparison with other surrogate gradients, paper"),
    Claim("dspike_plain_surrogate", DSPIKE, "Dspike is more accurate than a fixed surrogate gradient with one peak",
          ("dspike", "sdt"), measurements.ACCURACY, "greater", 0.01,
          "comparison with other surrogate gradients, paper", rival_variant=PLAIN_SURROGATE),
    Claim("ltl_near_teacher", LTL, "LTL (offline) is near its teacher within five epochs", ("ltl-offline", "ann"),
          measurements.EARLY_ACCURACY, "not less", 0.02, NEAR_TEACHER),
    Claim("ltl_online_near_teacher", LTL, "LTL (online) is near its teacher within five epochs", ("ltl-online", "ann"),
          measurements.EARLY_ACCURACY, "not less", 0.02, NEAR_TEACHER),
    Claim("ltl_conversion", LTL, "LTL (offline) is more accurate than conversion at the same T",
          ("ltl-offline", "conversion"), measurements.ACCURACY, "greater", 0.01, "few time steps suffice, paper"),
    Claim("ltl_online_conversion", LTL, "LTL (online) is more accurate than conversion at the same T",
          ("ltl-online", "conversion"), measurements.ACCURACY, "greater", 0.01, "few time steps suffice, paper"),
    Claim("ltl_conversion_membrane", LTL,
          "LTL (offline) is more accurate than conversion at the same T where currents decide, not spikes",
          ("ltl-offline", "conversion"), measurements.ACCURACY, "greater", 0.01, "few time steps suffice, paper",
          own_variant=MEMBRANE_READOUT, rival_variant=MEMBRANE_READOUT),
    Claim("ltl_online_conversion_membrane", LTL,
          "LTL (online) is more accurate than conversion at the same T where currents decide, not spikes",
          ("ltl-online", "conversion"), measurements.ACCURACY, "greater", 0.01, "few time steps suffice, paper",
          own_variant=MEMBRANE_READOUT, rival_variant=MEMBRANE_READOUT),
    Claim("ltl_memory", LTL, "the memory of LTL (online) for backward does not grow with T", ("ltl-online", "sdt"),
          measurements.MEMORY_GROWTH, "less", 0.1, "memory independent of T, paper"),
    Claim("ltl_recovers", LTL, "LTL (offline) recovers by learning on simulated chips", ("ltl-offline",),
          measurements.ON_CHIP_GAIN, "greater", 0.02, RECOVERY),
    Claim("ltl_online_recovers", LTL, "LTL (online) recovers by learning on simulated chips", ("ltl-online",),
          measurements.ON_CHIP_GAIN, "greater", 0.02, RECOVERY),
    Claim("sltt_accuracy", SLTT, "SLTT is as accurate as SDT", ("sltt", "sdt"),
          measurements.ACCURACY, "not less", 0.01, NEAR_BPTT),
    Claim("sltt_memory", SLTT, "the memory of SLTT for backward does not grow with T", ("sltt", "sdt"),
          measurements.MEMORY_GROWTH, "less", 0.1, FLAT_MEMORY),
    Claim("sltt_k_accuracy", SLTT, "SLTT with gradients of half of the steps is as accurate as with all",
          ("sltt-k", "sltt"), measurements.ACCURACY, "not less", 0.01, NEAR_BPTT),
    Claim("ottt_accuracy", OTTT, "OTTT is as accurate as SDT", ("ottt", "sdt"),
          measurements.ACCURACY, "not less", 0.01, NEAR_BPTT),
    Claim("ottt_memory", OTTT, "the memory of OTTT for backward does not grow with T", ("ottt", "sdt"),
          measurements.MEMORY_GROWTH, "less", 0.1, FLAT_MEMORY),
    Claim("ratebp_accuracy", RATEBP, "RateBP is as accurate as SDT", ("ratebp", "sdt"),
          measurements.ACCURACY, "not less", 0.01, NEAR_BPTT),
    Claim("ratebp_memory", RATEBP, "the memory of RateBP for backward does not grow with T", ("ratebp", "sdt"),
          measurements.MEMORY_GROWTH, "less", 0.1, FLAT_MEMORY),
    Claim("kd_accuracy", KD, "distillation from an ANN makes SDT more accurate", ("kd", "sdt"),
          measurements.ACCURACY, "greater", 0.01, "tables beside training without a teacher, secondary source"),
    Claim("tkd_accuracy", TKD, "distillation at every time step is more accurate than TET", ("tkd", "tet"),
          measurements.ACCURACY, "greater", 0.01, "tables of static and event data, secondary source"),
    Claim("tkd_flatter", TKD, "distillation at every time step is flatter over T than SDT", ("tkd", "sdt"),
          measurements.CHANGE_OVER_T, "greater", 0.02, "full-range deployment of one training, title of the paper"),
    Claim("mtt_flatter_tkd", MTT, "MTT is flatter over T than distillation at every time step", ("mtt", "tkd"),
          measurements.CHANGE_OVER_T, "greater", 0.02, "no paper's claim: both promise one network for every T"),
    Claim("qcfs_conversion", QCFS, "QCFS is more accurate than plain conversion at the same T",
          ("qcfs", "conversion"), measurements.ACCURACY, "greater", 0.01, FEW_STEPS),
    Claim("srp_qcfs", SRP, "SRP is more accurate than QCFS at the same T", ("srp", "qcfs"),
          measurements.ACCURACY, "greater", 0.01, FEW_STEPS),
    Claim("tebn_accuracy", TEBN, "a factor for each time step in the normalisation is more accurate than none",
          ("sdt", "sdt"), measurements.ACCURACY, "greater", 0.01, "other normalisations beside it, secondary source",
          own_variant=TEMPORAL_GAINS),
]  # fmt: skip
