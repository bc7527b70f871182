"""A cell trained by snnTorch: reads frames.npz, leaves <cell>/foreign/ (both described in snn/phases/foreign.py).

Runs in its own environment (requirements.txt beside this file) and knows nothing of the suite but those files. From the
suite: the layout 3C1FC with its 6,160 weights, the split, the order of the batches, the optimiser, its schedule and the
number of epochs. snnTorch's own: the neuron (`Leaky`, reset by subtraction one step later), its surrogate, and the loss
(`ce_count_loss`: cross-entropy of the spike counts). Initial weights are drawn from the cell's seed.

params: beta (decay of the membrane), surrogate (a function of snntorch.surrogate), norm (batch or none).
Without normalisation the network has no biases, and is left as network.nir too.
"""

import argparse
import csv
import json
import math
import platform
import time
from pathlib import Path

import nir
import numpy as np
import snntorch
import torch
from snntorch import surrogate
from snntorch.export_nir import export_to_nir
from snntorch.functional import ce_count_loss
from torch import nn

DEFAULTS = {"beta": 0.9, "surrogate": "atan", "norm": "batch"}
LAYERS = [(8, 1, 2), (16, 1, 2), (16, 2, 1)]  # channels, stride, average pooling
BATCH = 256


class Network(nn.Module):
    """Frames [T, N, P, H, W] to output spikes [T, N, K]."""

    def __init__(self, shape, classes, beta, surrogate_name, norm):
        super().__init__()
        channels, blocks = shape[0], []
        for outputs, stride, pool in LAYERS:
            normalise = nn.BatchNorm2d(outputs) if norm == "batch" else nn.Identity()
            conv = nn.Conv2d(channels, outputs, 3, stride, 1, bias=False)
            blocks.append(nn.ModuleList([nn.Sequential(conv, normalise), nn.AvgPool2d(pool)]))
            channels = outputs
        self.blocks = nn.ModuleList(blocks)
        with torch.no_grad():
            x = torch.zeros(1, *shape)
            for current, pool in self.blocks:
                x = pool(current[0](x))
        self.readout = nn.Linear(x.numel(), classes, bias=False)
        gradient = getattr(surrogate, surrogate_name)()
        self.neurons = nn.ModuleList(snntorch.Leaky(beta=beta, spike_grad=gradient) for _ in [*LAYERS, None])

    def forward(self, x):
        steps = x.shape[:2]
        for (current, pool), neuron in zip(self.blocks, self.neurons, strict=False):
            spikes = over_time(neuron, current(x.flatten(0, 1)).unflatten(0, steps))
            x = pool(spikes.flatten(0, 1)).unflatten(0, steps)
        return over_time(self.neurons[-1], self.readout(x.flatten(2)))


def over_time(neuron, currents):
    membrane, spikes = neuron.reset_mem(), []
    for current in currents:
        spike, membrane = neuron(current, membrane)
        spikes.append(spike)
    return torch.stack(spikes)


def batch(frames, chosen, device):
    """[T, N, P, H, W] float32 of the recordings at positions `chosen`."""
    return torch.from_numpy(frames[chosen.numpy()]).to(device).transpose(0, 1).float()


@torch.no_grad()
def predict(network, frames, device):
    """The class of the most spikes, int64 [N]; -1 where no output neuron spikes."""
    network.eval()
    found = []
    for chosen in torch.arange(len(frames)).split(BATCH):
        counts = network(batch(frames, chosen, device)).sum(0)
        found.append(torch.where(counts.max(1).values > 0, counts.argmax(1), -1).cpu())
    return torch.cat(found).numpy()


def optimizer_for(network, recipe):
    if recipe["optimizer"] == "sgd":
        return torch.optim.SGD(
            network.parameters(), recipe["lr"], recipe["momentum"], weight_decay=recipe["weight_decay"]
        )
    kind = torch.optim.AdamW if recipe["optimizer"] == "adamw" else torch.optim.Adam
    return kind(network.parameters(), recipe["lr"], weight_decay=recipe["weight_decay"])


def rate(i, iterations, recipe):
    """Factor on the learning rate at iteration i: linear warm-up, then cosine to zero, constant or in steps."""
    warm = recipe["warmup"] * iterations
    if i < warm:
        return (i + 1) / (warm + 1)
    if recipe["schedule"] == "constant":
        return 1.0
    if recipe["schedule"] == "multistep":
        epoch = i / iterations * recipe["epochs"]
        return recipe["gamma"] ** sum(epoch >= milestone for milestone in recipe["milestones"])
    return 0.5 * (1 + math.cos(math.pi * (i - warm) / max(1.0, iterations - warm)))


def train(network, data, spec):
    """Yields the history's row after every epoch; `{"diverged": why}`, and no more, if the loss is not finite."""
    recipe, device = spec["train"], spec["device"]
    frames, labels = data["train/frames"], torch.from_numpy(data["train/label"])
    order = torch.Generator().manual_seed(spec["foreign"]["seeds"]["order"])
    optimizer, loss_of = optimizer_for(network, recipe), ce_count_loss()
    iterations, i = recipe["epochs"] * math.ceil(len(labels) / recipe["batch_size"]), 0
    for epoch in range(1, recipe["epochs"] + 1):
        started, total, correct = time.perf_counter(), 0.0, 0
        network.train()
        for chosen in torch.randperm(len(labels), generator=order).split(recipe["batch_size"]):
            y = labels[chosen].to(device)
            spikes = network(batch(frames, chosen, device))
            loss = loss_of(spikes, y)
            if not math.isfinite(loss.item()):
                yield {"diverged": f"the loss became {loss.item()} in epoch {epoch}"}
                return
            optimizer.zero_grad()
            loss.backward()
            if recipe["clip_norm"] is not None:
                nn.utils.clip_grad_norm_(network.parameters(), recipe["clip_norm"])
            for group in optimizer.param_groups:
                group["lr"] = recipe["lr"] * rate(i, iterations, recipe)
            optimizer.step()
            total += loss.item() * len(y)
            correct += (spikes.sum(0).argmax(1) == y).sum().item()
            i += 1
        yield {
            "epoch": epoch,
            "lr": optimizer.param_groups[0]["lr"],
            "loss": total / len(labels),
            "train_accuracy": correct / len(labels),
            "time_steps": float(frames.shape[0] * frames.shape[1]),
            "seconds": time.perf_counter() - started,
        }


def write_nir(network, shape, path):
    """Write the network as a NIR file, for frames of this shape (P, H, W). Returns what record.json says of it: how the
    file is to be read, or why there is none."""
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return "norm: batch shifts the currents, which is a bias; train with params: {norm: none}"
    network, layers, x = network.cpu(), [], torch.zeros(1, *shape)
    with torch.no_grad():
        for (current, pool), neuron in zip(network.blocks, network.neurons, strict=False):
            x = current[0](x)
            layers += [current[0], neurons_of(neuron, x.shape[1:]), pool]
            x = pool(x)
        layers += [nn.Flatten(), network.readout, neurons_of(network.neurons[-1], network.readout.weight.shape[:1])]
        layers = [layer for layer in layers if not (isinstance(layer, nn.AvgPool2d) and layer.kernel_size == 1)]
        graph = export_to_nir(nn.Sequential(*layers), torch.zeros(1, *shape), ignore_dims=[0])
    nir.write(path, graph)
    return {"reset": "soft", "dt": 1e-4}  # its export takes 0.1 ms for a step, whatever a step was


def neurons_of(neuron, shape):
    """The same neurons with one constant each: of one number for a layer its export makes no valid graph."""
    constants = {"beta": neuron.beta.expand(shape).clone(), "threshold": neuron.threshold.expand(shape).clone()}
    return snntorch.Leaky(**constants, reset_mechanism="subtract", init_hidden=True)


def check(spec):
    """The parameters, defaults filled in; ends with one line where the cell asks for what is not done here."""
    params = DEFAULTS | spec["foreign"]["params"]
    wrong = sorted(params.keys() - DEFAULTS.keys())
    if wrong or params["norm"] not in ("batch", "none") or not callable(getattr(surrogate, params["surrogate"], None)):
        raise SystemExit(f"error: parameters {params}; known are {DEFAULTS}, norm batch or none")
    if spec["cell"]["network"] != "3c1fc":
        raise SystemExit(f"error: network {spec['cell']['network']!r}: this script builds 3c1fc only")
    recipe = spec["train"]
    if any(recipe["augment"].values()) or spec["precision"] != "float32":
        raise SystemExit("error: augmentations and a precision other than float32 are not done by this script")
    return params


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", required=True)
    parser.add_argument("--spec", required=True, type=json.loads, help="the cell and its configuration, JSON")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    spec, out = options.spec, options.out
    params = check(spec)
    torch.set_num_threads(spec["threads"])
    t = spec["cell"]["t_train"]
    with np.load(options.frames) as arrays:
        tests = [name for name in arrays.files if name.startswith("test/") and name.endswith("/frames")]
        data = {name: arrays[name] for name in {*arrays.files} - {*tests} | {f"test/{t}/frames"}}
    torch.manual_seed(spec["foreign"]["seeds"]["initialisation"])
    shape, classes = data["train/frames"].shape[2:], int(data["classes"])
    network = Network(shape, classes, params["beta"], params["surrogate"], params["norm"]).to(spec["device"])

    history, validation, test, diverged = [], [], [], ""
    for row in train(network, data, spec):
        if diverged := row.get("diverged", ""):
            break
        started = time.perf_counter()
        validation.append(predict(network, data["validation/frames"], spec["device"]))
        test.append(predict(network, data[f"test/{t}/frames"], spec["device"]))
        row["seconds"] += time.perf_counter() - started
        history.append(row)
        print(row, flush=True)

    out.mkdir(parents=True, exist_ok=True)
    found = {"index": data["test/index"]}
    if not diverged:
        found |= {"validation": np.stack(validation), "test": np.stack(test)}
        with np.load(options.frames) as frames:  # one T in memory at a time
            for name in tests:
                found[f"sweep/{name.split('/')[1]}"] = predict(network, frames[name], spec["device"])
    np.savez_compressed(out / "predictions.npz", **found)
    columns = ["epoch", "lr", "loss", "train_accuracy", "seconds", "time_steps"]
    with open(out / "history.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns)
        writer.writeheader()
        writer.writerows(history)
    torch.save(network.state_dict(), out / "weights.pt")
    record = {
        "nir": diverged or write_nir(network, shape, out / "network.nir"),
        "status": "diverged" if diverged else "ok",
        "reason": diverged,
        "parameters": sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)),
        "cpu_seconds": time.process_time(),
        "versions": {"snntorch": snntorch.__version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
