"""What a neuron is, as configuration: checked when it is read. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

# The parameters of each surrogate and their defaults; triangle's width None means "the threshold".
DEFAULTS: dict[str, dict[str, float | None]] = {
    "rectangle": {"width": 1.0, "height": 1.0},
    "boxcar": {"width": 0.4, "height": 1.0},
    "triangle": {"width": None, "height": 1.0},
    "exponential": {"scale": 2.0, "sharpness": 2.0},
    "arctan": {"sharpness": 2.0},
    "sigmoid": {"sharpness": 4.0},
    "dspike": {"temperature": 3.0},
}


class SurrogateSpec(BaseModel):
    """The surrogate derivative of the spike, ds/du = g(z), with z = u - θ.

    | name          | g(z)                                       | defaults                     | source             |
    | ------------- | ------------------------------------------ | ---------------------------- | ------------------ |
    | `rectangle`   | height if abs(z) < width/2, else 0         | width 1, height 1            | ours, for Shortcut |
    | `boxcar`      | the same                                   | width 0.4, height 1          | LTL, at θ = 0.6    |
    | `triangle`    | height · max(0, 1 - abs(z)/width)          | width θ, height 1            | MTT, at θ = 1      |
    | `exponential` | scale · exp(-sharpness · abs(z))           | scale 2, sharpness 2         | MTT, at θ = 1      |
    | `arctan`      | (k/2) / (1 + (π k z/2)²), k = sharpness    | sharpness 2                  | SpikingJelly, ATan |
    | `sigmoid`     | k · σ(kz) · (1 - σ(kz)), k = sharpness      | sharpness 4                  | SpikingJelly       |
    | `dspike`      | D_b'(x)/(2θ) for 0 ≤ x ≤ 1, x = u/(2θ)     | temperature b = 3            | Dspike, at θ = 0.5 |

    u, θ, z and `width` have the membrane's unit, `sharpness` and g its inverse; b has no unit.
    `width` is the full width at half the height, for all three shapes that have one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["rectangle", "triangle", "boxcar", "exponential", "arctan", "sigmoid", "dspike"] = Field(
        "rectangle", description="shape of the surrogate derivative"
    )
    width: PositiveFloat | None = Field(None, description="full width at half height (rectangle, boxcar, triangle)")
    height: PositiveFloat | None = Field(None, description="value at the threshold (rectangle, boxcar, triangle)")
    scale: PositiveFloat | None = Field(None, description="value at the threshold (exponential)")
    sharpness: PositiveFloat | None = Field(None, description="inverse width (exponential, arctan, sigmoid)")
    temperature: PositiveFloat | None = Field(None, description="b of Dspike; larger is steeper")
    periodic: bool = Field(
        False, description="repeat g around every multiple of the threshold (multi-spike neurons only)"
    )

    @model_validator(mode="after")
    def _only_its_parameters(self) -> SurrogateSpec:
        own = DEFAULTS[self.name]
        for key in ("width", "height", "scale", "sharpness", "temperature"):
            if getattr(self, key) is not None and key not in own:
                raise ValueError(f"surrogate {self.name!r} has no {key!r}; it has {', '.join(own)}")
        return self

    def parameters(self, threshold: float) -> dict[str, float]:
        """The parameters with defaults filled in, for a neuron of this threshold."""
        configured = {key: getattr(self, key) for key in DEFAULTS[self.name]}
        filled = {key: DEFAULTS[self.name][key] if value is None else value for key, value in configured.items()}
        return {key: threshold if value is None else value for key, value in filled.items()}


class NeuronSpec(BaseModel):
    """An integrate-and-fire neuron, with or without leak.

        u[t] = decay · v[t-1] + x[t]                      charge
        s[t] = 1[u[t] ≥ θ]                                fire (`strict_threshold`: u > θ)
             = ⌊u[t]/θ⌋ for u[t] > 0, else 0              fire, `multi_spike`
        v[t] = u[t] - θ · s[t]                            reset, soft
             = (1 - s[t]) · u[t] + s[t] · v_reset         reset, hard
        v[t] = max(v[t], v_min)                           clip, if `v_min` is given

    With `learned_decay` each layer learns its decay = 1 - σ(w), σ the sigmoid, by its parameter w, which begins where
    decay is as configured: w = -ln(τ - 1) with τ = 1/(1 - decay) (PLIF, Fang et al., ICCV 2021).

    x, u, v and θ have one unit, the membrane's; decay has none; s is a number of spikes.
    Before the first step v is `v_init`; if that is null, 0 (soft reset) or `v_reset` (hard reset, as in SpikingJelly).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    decay: float = Field(1.0, ge=0.0, le=1.0, description="factor of the membrane from step to step; 1 is IF")
    learned_decay: bool = Field(False, description="each layer learns its decay, which begins at `decay`")
    threshold: PositiveFloat = Field(1.0, description="θ, the firing threshold")
    reset: Literal["soft", "hard"] = Field(
        "soft", description="subtract θ for each spike, or set the membrane to v_reset"
    )
    v_reset: float = Field(0.0, description="membrane after a spike (hard reset)")
    strict_threshold: bool = Field(False, description="fire at u > θ instead of u ≥ θ")
    detach_reset: bool = Field(False, description="no gradient through the spike in the reset")
    v_min: float | None = Field(None, description="lower bound of the membrane after the reset")
    v_init: float | None = Field(None, description="membrane before the first step; null: 0, or v_reset (hard reset)")
    multi_spike: bool = Field(False, description="several spikes in one step, ⌊u/θ⌋")
    surrogate: SurrogateSpec = Field(default_factory=SurrogateSpec, description="derivative of the spike")
    implementation: Literal["auto", "fused", "spikingjelly"] = Field(
        "auto", description="auto: fused kernels where they apply; fused: only those; spikingjelly: step by step"
    )

    @model_validator(mode="after")
    def _meaningful_combination(self) -> NeuronSpec:
        if self.learned_decay and not 0.0 < self.decay < 1.0:
            raise ValueError(f"learned_decay needs an initial decay between 0 and 1, such as 0.5, not {self.decay}")
        if self.multi_spike and self.reset == "hard":
            raise ValueError("multi_spike needs reset: soft (a hard reset forgets how many spikes there were)")
        if self.multi_spike and self.strict_threshold:
            raise ValueError("multi_spike needs strict_threshold: false (its spike count ⌊u/θ⌋ includes u = θ)")
        if self.surrogate.periodic and not self.multi_spike:
            raise ValueError("surrogate.periodic needs multi_spike: true (one spike has one threshold)")
        if self.reset == "soft" and self.v_reset != 0.0:
            raise ValueError("v_reset needs reset: hard (a soft reset subtracts the threshold)")
        if self.v_min is not None and self.v_min >= self.threshold:
            raise ValueError(f"v_min must lie below the threshold {self.threshold}, not at {self.v_min}")
        if self.v_init is not None and not (self.v_min is None or self.v_min <= self.v_init):
            raise ValueError(f"v_init must not lie below v_min {self.v_min}, at {self.v_init}")
        if self.v_init is not None and self.v_init >= self.threshold:
            raise ValueError(f"v_init must lie below the threshold {self.threshold}, not at {self.v_init}")
        return self

    @property
    def v_start(self) -> float:
        """The membrane before the first step, in its unit."""
        if self.v_init is not None:
            return self.v_init
        return self.v_reset if self.reset == "hard" else 0.0
