"""Run by an interpreter that has Brian2: the network of `case.npz`, spikes as JSON. Shares no code with the engine.

One event every ten steps, so that each one's spikes have gone through before the next. Brian2 adds all spikes of a
step at once and looks at the threshold once a step: the same as event by event while what arrives in a step is below θ.
"""

import json
import sys

import brian2 as b2
import numpy as np

b2.prefs.codegen.target = "numpy"
b2.defaultclock.dt = 1 * b2.us
case = np.load(sys.argv[1])
w1, w2, source = case["w1"], case["w2"], case["source"]

events = b2.SpikeGeneratorGroup(w1.shape[1], source, (10 * np.arange(len(source)) + 1) * b2.us)
layers = [b2.NeuronGroup(len(w), "v : 1", threshold="v >= 1", reset="v -= 1") for w in (w1, w2)]
links = []
for before, after, w in ((events, layers[0], w1), (layers[0], layers[1], w2)):
    link = b2.Synapses(
        before, after, "w : 1", on_pre="v_post = clip(v_post + w, -0.5, inf)" if not links else "v_post += w"
    )
    link.connect()
    link.w = w.T.ravel()
    links.append(link)
monitors = [b2.SpikeMonitor(layer) for layer in layers]
network = b2.Network(events, *layers, *links, *monitors)
network.run(10 * (len(source) + 1) * b2.us)
print(
    json.dumps(
        [[[round((t - 1) // 10), int(i)] for t, i in zip(np.round(m.t / b2.us), m.i, strict=True)] for m in monitors]
    )
)
