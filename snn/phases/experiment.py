"""What a cell is made of: data, network, method, teacher. Made from its specification; changes nothing anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snn import methods
from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder
from snn.config.blocks import Train
from snn.data.frames import Frames
from snn.data.store import Store, open_store
from snn.errors import ConfigError, DataError, Diverged
from snn.models.blueprint import Blueprint
from snn.models.fold import without_biases
from snn.models.stages import Network
from snn.neurons import NeuronSpec
from snn.runtime import files
from snn.runtime.seeds import derive
from snn.training import checkpoint
from snn.training.loop import Splits, generator
from snn.training.method import Method, Run
from snn.training.progress import check_statistics


@dataclass(frozen=True)
class Experiment:
    """One cell, as one of its phases sees it.

    spec: all of the configuration that the job depends on (`snn.benchmark.dependencies.spec`); token: the digest of
    that and of the code; store_path: the converted data set; folder: the cell's files; teacher: those of the cell that
    its method learns from; start: those of the cell whose trained network its training starts from; frame_cache_mb: a
    split whose frames are larger is binned batch by batch.
    """

    spec: dict[str, Any]
    token: str
    store_path: Path
    folder: CellFolder
    teacher: CellFolder | None = None
    start: CellFolder | None = None
    frame_cache_mb: float = 0

    @cached_property
    def cell(self) -> Cell:
        return Cell(**self.spec["cell"])

    @cached_property
    def recipe(self) -> Train:
        return Train(**self.spec["train"])

    @cached_property
    def neuron(self) -> NeuronSpec:
        return NeuronSpec(**self.spec["neuron"])

    @cached_property
    def method(self) -> type[Method[Any]]:
        return methods.find(self.cell.method)

    @cached_property
    def params(self) -> Any:
        """The method's typed hyper-parameters."""
        return methods.parameters(self.cell.method, self.spec["method"])

    @cached_property
    def store(self) -> Store:
        return open_store(self.store_path)

    @property
    def device(self) -> str:
        return self.spec["device"]

    @property
    def processes(self) -> int:
        """How many processes share the batches of the training."""
        return self.spec.get("processes", 1)

    @property
    def precision(self) -> str:
        return self.spec["precision"]

    @cached_property
    def epochs(self) -> int:
        """How many epochs the method trains."""
        return self.method.epochs(self.params, self.recipe.epochs, self.cell.t_train)

    def identity(self, *networks: CellFolder | None) -> str:
        """What an unfinished job's files must agree in to be used again: configuration, code, data, and the trained
        weights of `networks`."""
        weights = [files.sha256(folder.weights)[:12] for folder in networks if folder is not None]
        return "-".join([self.token, self.store.version, *weights])

    # --- data

    def frames(self, split: str, t: int | None = None, at: np.ndarray | None = None, cached: bool = True) -> Frames:
        """A split's frames at T = t (the cell's own if None); at: only these positions in the split."""
        t = self.cell.t_train if t is None else t
        return Frames(self.store, split, t, self.frame_cache_mb if cached else 0, self.device, at)

    def splits(self) -> Splits:
        return Splits(self.frames("train"), self.frames("validation"), self.frames("test"))

    # --- networks

    def build_network(self) -> Network:
        """The cell's network with initial weights drawn from its seed, the same ones for every method."""
        torch.manual_seed(derive(self.cell.seed, "initialisation"))
        name, values = self.spec["network"]["name"], self.spec["network"]["values"]
        shape, classes, steps = self.store.shape, self.store.n_classes, self.cell.t_train
        blueprint = Blueprint(name, values, shape, classes, self.neuron, steps)
        network = self.method.build(self.params, blueprint)
        if network.untrainable and (self.method.trains or self.method.teacher(self.params) is not None):
            raise ConfigError(f"{self.cell.key}: {network.untrainable}")
        if self.spec.get("start", {}).get("remove_biases"):
            network = without_biases(network)
        # Activations are channels-last everywhere; on a GPU weights of the same layout spare cuDNN a copy each time.
        if self.device != "cpu":
            network.to(device=self.device)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
        return network

    def initial_network(self) -> Network:
        """The network that the training starts from: of initial weights, or with those of another trained cell.

        Raises Diverged where that cell's training did, and ConfigError where the two networks are not of one layout.
        """
        network = self.build_network()
        if self.start is None:
            return network
        trained = self._trained(self.start, "the network that it starts from")
        if self.spec["start"]["remove_biases"]:
            trained = without_biases(trained)
        shapes, others = ({k: v.shape for k, v in n.state_dict().items()} for n in (network, trained))
        if shapes != others:
            differing = ", ".join(sorted(k for k in shapes | others if shapes.get(k) != others.get(k)))
            raise ConfigError(
                f"{self.cell.key} cannot start from {self.spec['start']['cell']}: they differ in {differing}; set "
                f"variants.{self.cell.network}.params or remove_biases so that both have the same layers"
            )
        network.load_state_dict(trained.state_dict())
        return network

    def load_network(self) -> tuple[Network, dict[str, Tensor]]:
        """(the trained network as evaluated, the running statistics as training left them)."""
        path = self.folder.weights
        try:
            saved = checkpoint.load(path, self.device)
            network = self.build_network()
            network.load_state_dict(saved["network"])
            check_statistics(saved["running"], network)
        except Exception as error:
            raise DataError(
                f"{path}: not readable as weights ({type(error).__name__}); delete it and run again"
            ) from None
        return network.eval(), saved["running"]

    def load_teacher(self) -> Network | None:
        """The teacher's trained network in evaluation mode, without gradient; None if the method has no teacher.

        Raises Diverged where the teacher's training did.
        """
        return None if self.teacher is None else self._trained(self.teacher, "its teacher").requires_grad_(False)

    def _trained(self, folder: CellFolder, role: str) -> Network:
        """The trained network of another cell; role: what it is to this one."""
        other = Experiment(folder.record("train")["config"], "", self.store_path, folder)
        if reason := folder.training_failure():
            raise Diverged(f"{role}, {other.cell.key}, diverged: {reason}")
        return other.load_network()[0]

    def training_run(
        self, splits: Splits, *, epochs: int, teacher: nn.Module | None = None, t_train: int | None = None
    ) -> Run:
        """What the method may know of a training of this length."""
        return Run(
            t_train=self.cell.t_train if t_train is None else t_train,
            classes=self.store.n_classes,
            input_shape=self.store.shape,
            epochs=epochs,
            iterations=epochs * splits.train.batches(self.recipe.batch_size),
            train=self.recipe,
            steps=generator(self.cell.seed, "steps"),
            device=self.device,
            teacher=teacher,
            labels=splits.train.labels,
            static=self.store.kind == "images",
        )
