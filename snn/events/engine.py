"""Run an event network: one recording, a batch, or a stream in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np

from snn.errors import UserError, did_you_mean
from snn.events import _events, _plan
from snn.events.network import EventNetwork
from snn.events.result import RunResult

MODES = ("float", "int8")
ORDERS = ("breadth", "depth")
PROGRESS_SECONDS = 0.2
CHUNK = 1024  # input events that each population takes before the next one's turn
_NOTHING = np.zeros(0, np.int64)


class Work(NamedTuple):
    """What changes while a recording runs (arrays only; the kernel writes into them)."""

    v: np.ndarray  # membranes, all populations, layout as in `_plan`
    last: np.ndarray  # int64, time of each neuron's last event; only where something leaks
    length: np.ndarray  # int64 [P+1], entries in the queues
    counts: np.ndarray  # int64 [K], output spikes
    first: np.ndarray  # int64 [K], elapsed time of the first one
    lead: np.ndarray  # int64 [2], class ahead and its spikes
    spikes: np.ndarray  # int64 [P]
    synops: np.ndarray  # int64 [S]
    head: np.ndarray
    frames: np.ndarray


class State:
    """A recording half-way. Made by `Engine.state`, advanced by `Engine.feed`, read by `Engine.result`."""

    def __init__(self, plan: _plan.Plan, trace: bool = False) -> None:
        n, classes = len(plan.populations), plan.populations[plan.output, _plan.SIZE]
        self.work = Work(
            v=_plan.aligned_zeros(plan.membranes, plan.theta.dtype.type),
            last=np.zeros(plan.membranes if plan.tau.any() else 1, np.int64),
            length=np.zeros(n, np.int64),
            counts=np.zeros(classes, np.int64),
            first=np.zeros(classes, np.int64),
            lead=np.zeros(2, np.int64),
            spikes=np.zeros(n - 1, np.int64),
            synops=np.zeros(len(plan.synapses), np.int64),
            head=np.zeros(plan.incoming.shape[1], np.int64),
            frames=np.zeros((n + 1, 4), np.int64),
        )
        self.queue = np.empty((n, max(2 * CHUNK, int(plan.synapses[:, _plan.MOST].max()) + 1)), np.int64)
        self.trace: list[list[np.ndarray]] | None = [[] for _ in range(n - 1)] if trace else None
        self.reset()

    def reset(self) -> None:
        """Back to the start of a recording: every membrane 0."""
        for array in self.work:
            array.fill(0)
        self.work.first.fill(-1)
        self.work.lead[0] = -1
        self.n_events, self.t_first, self.t_last = 0, 0, 0
        if self.trace is not None:
            self.trace = [[] for _ in self.trace]


class Engine:
    """An `EventNetwork` laid out for one mode and order. Shared by threads; states are not.

    mode: "float" (float32) or "int8" (int8 weights, int16 saturating membranes).
    order: "breadth" (each population consumes its whole queue, per input event) or "depth" (each spike is followed to
    the end first). They differ only where a population merges several synapses.
    """

    def __init__(self, network: EventNetwork, mode: str = "float", order: str = "breadth") -> None:
        for what, value, known in (("mode", mode, MODES), ("order", order, ORDERS)):
            if value not in known:
                raise UserError(f"unknown {what} {value!r}{did_you_mean(str(value), known)}")
        from snn.events import _kernel  # imports the compiler

        self._kernel = _kernel
        self.network, self.mode, self.order = network, mode, order
        self.plan = _plan.make(network, mode == "int8", order == "depth")
        self._spare: list[State] = []  # used again by the next batch: memory does not grow with recordings

    def state(self, trace: bool = False) -> State:
        """A new recording. trace=True keeps every spike (memory grows with their number)."""
        return State(self.plan, trace)

    def feed(self, state: State, t: Any, x: Any, y: Any, p: Any, sort: bool = False) -> None:
        """Run further events (arrays of one length; t in µs) of the recording; any cutting gives the same results.

        Raises `UserError`, before any of them is run, where time goes backwards (within the arrays or since the
        last call), or an event lies outside the input's shape. sort=True sorts the arrays by time first (stable).
        """
        self._advance(state, *_events.columns(t, x, y, p, sort))

    def result(self, state: State) -> RunResult:
        """Results so far."""
        return self._result(state, _Checkpoints.of(None), _NOTHING, _NOTHING)

    def run(
        self,
        t: Any,
        x: Any,
        y: Any,
        p: Any,
        sort: bool = False,
        trace: bool = False,
        checkpoints: Mapping[str, Sequence[float]] | None = None,
    ) -> RunResult:
        """One recording from its first event to its last. See `feed` for the events, `run_batch` for checkpoints."""
        return self._one(self.state(trace), _events.columns(t, x, y, p, sort), _Checkpoints.of(checkpoints))

    def run_batch(
        self,
        events: np.ndarray,
        offsets: np.ndarray,
        threads: int = 1,
        checkpoints: Mapping[str, Sequence[float]] | None = None,
        sort: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> RunResult:
        """Many recordings: number i is events[offsets[i]:offsets[i+1]], each from rest. Results have n first.

        events: structured, fields t (µs), x, y, p; may be a memory map. threads: recordings at the same time.
        checkpoints: {"times_us": [...]} elapsed since a recording's first event, and/or {"fractions": [...]} of its
        events, at which the prediction is taken. progress(done, n) is called from this thread: after each recording
        or, with several threads, five times a second and at the end.
        """
        events, offsets = _events.batch(events, offsets)
        if int(threads) != threads or threads < 1:
            raise UserError(f"threads must be a whole number, at least 1, not {threads!r}")
        marks, n = _Checkpoints.of(checkpoints), len(offsets) - 1
        rows: list[RunResult] = [None] * n
        errors: dict[int, UserError] = {}
        numbers = iter(range(n))  # shared: each worker takes the next recording

        def work(report: Callable[[int, int], None] | None = None) -> None:
            state = self._spare.pop() if self._spare else self.state()
            for i in numbers:
                part = events[offsets[i] : offsets[i + 1]]
                state.reset()
                try:
                    columns = _events.columns(part["t"], part["x"], part["y"], part["p"], sort)
                    rows[i] = self._one(state, columns, marks)
                except UserError as error:
                    errors[i] = error
                    break
                if report:
                    report(i + 1, n)
                if errors:
                    break
            self._spare.append(state)

        if threads == 1:
            work(progress)
        else:
            with ThreadPoolExecutor(threads) as pool:
                waiting = {pool.submit(work) for _ in range(min(threads, n))}
                while waiting:
                    ended, waiting = wait(waiting, timeout=PROGRESS_SECONDS if progress else None)
                    for future in ended:
                        future.result()
                    if progress:
                        progress(n - rows.count(None), n)
        for i in sorted(errors):  # every earlier recording was taken before, and is whole
            raise UserError(f"recording {i}: {errors[i]}")
        return self._stack(rows, marks)

    def _one(self, state: State, columns: _events.Columns, marks: _Checkpoints) -> RunResult:
        stops, where = marks.stops(columns.t)
        decisions = self._advance(state, *columns, stops=stops)
        ordered = np.empty_like(decisions)
        ordered[where] = decisions
        return self._result(state, marks, ordered[: len(marks.times_us)], ordered[len(marks.times_us) :])

    def _advance(
        self, state: State, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray, stops: np.ndarray = _NOTHING
    ) -> np.ndarray:
        before = state.t_last if state.n_events else -1
        _events.check(self._kernel, t, x, y, p, before, self.network.input_shape)
        if len(t) and not state.n_events:
            state.t_first = int(t[0])
        decisions = np.full(len(stops), -1, np.int64)
        arguments = (t, x, y, p)
        step = CHUNK if state.trace is not None else max(len(t), 1)
        for start in range(0, max(len(t), 1), step):
            piece = (a[start : start + step] for a in arguments)
            here = (stops > start) & (stops <= start + step) if step < len(t) else slice(None)
            part = np.ascontiguousarray(decisions[here])
            state.queue = self._kernel.advance(
                self.plan, state.work, state.queue, *piece, state.t_first, CHUNK, stops[here] - start, part
            )
            decisions[here] = part
            if state.trace is not None:
                self._keep_trace(state, t[start : start + step], state.n_events + start)
        if len(t):
            state.t_last = int(t[-1])
            state.n_events += len(t)
        return decisions

    def _keep_trace(self, state: State, t: np.ndarray, base: int) -> None:
        for p, kept in enumerate(state.trace, 1):
            if len(t):
                row = self.plan.populations[p]
                root, place = np.divmod(state.queue[p, : state.work.length[p]], 2**self._kernel.ROOT_BITS)
                at, c = np.divmod(place, row[_plan.STRIDE])
                kept.append(np.column_stack([root + base, t[root], c, *np.divmod(at, row[_plan.WIDTH])]))

    def _result(self, state: State, marks: _Checkpoints, times: np.ndarray, fractions: np.ndarray) -> RunResult:
        plan, work = self.plan, state.work
        values = np.zeros(self.network.n_classes)
        prediction = self._kernel.predict(plan, work, state.t_last, values)
        spiking = plan.populations[plan.output, _plan.SPIKING]
        if not spiking:
            self._kernel.read_output(plan, work, state.t_last, values)
        trace = None
        if state.trace is not None:
            trace = [np.concatenate([np.empty((0, 5), np.int64), *kept]) for kept in state.trace]
        return RunResult(
            prediction=np.int64(prediction),
            counts=work.counts.copy() if spiking else values,
            first_spike_us=work.first.copy(),
            spikes=work.spikes.copy(),
            synops=work.synops.copy(),
            n_events=np.int64(state.n_events),
            saturated=np.int64(self._saturated(work.v)),
            times_us=marks.times_us,
            fractions=marks.fractions,
            over_time=times,
            over_events=fractions,
            trace=trace,
        )

    def _saturated(self, v: np.ndarray) -> int:
        if self.mode == "float":
            return 0
        row = self.plan.populations[self.plan.output]
        cells = row[_plan.HEIGHT] * row[_plan.WIDTH] * row[_plan.STRIDE]
        v = v[row[_plan.OFFSET] : row[_plan.OFFSET] + cells]
        return int(np.count_nonzero((v == _plan.INT16.min) | (v == _plan.INT16.max)))

    def _stack(self, rows: list[RunResult], marks: _Checkpoints) -> RunResult:
        empty = self._result(self.state(), marks, np.empty(len(marks.times_us)), np.empty(len(marks.fractions)))
        shared = {"times_us": marks.times_us, "fractions": marks.fractions, "trace": None}
        stacked = {}
        for name in RunResult.__dataclass_fields__:
            if name not in shared:
                like = np.asarray(getattr(empty, name))
                values = [getattr(row, name) for row in rows]
                stacked[name] = np.stack(values) if values else np.empty((0, *like.shape), like.dtype)
        return RunResult(**stacked, **shared)


class _Checkpoints(NamedTuple):
    """When to ask for the prediction on the way."""

    times_us: np.ndarray
    fractions: np.ndarray

    @classmethod
    def of(cls, given: Mapping[str, Sequence[float]] | None) -> _Checkpoints:
        given = dict(given or {})
        for key in given:
            if key not in cls._fields:
                raise UserError(f"unknown checkpoints {key!r}{did_you_mean(str(key), cls._fields)}")
        times = np.asarray(given.get("times_us", ()), np.float64).reshape(-1)
        fractions = np.asarray(given.get("fractions", ()), np.float64).reshape(-1)
        if not (np.isfinite(times).all() and (times >= 0).all()):
            raise UserError("checkpoints: times_us must be microseconds, 0 or more")
        if not ((fractions >= 0) & (fractions <= 1)).all():
            raise UserError("checkpoints: fractions must lie in [0, 1]")
        return cls(np.floor(times).astype(np.int64), fractions)

    def stops(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of events consumed at each checkpoint, ascending, and where each of them belongs."""
        if not len(self.times_us) and not len(self.fractions):
            return _NOTHING, _NOTHING
        elapsed = t - t[0] if len(t) else t
        by_time = np.searchsorted(elapsed, self.times_us, side="right")
        by_count = np.floor(self.fractions * len(t) + 1e-9).astype(np.int64)
        stops = np.concatenate([by_time, by_count]).astype(np.int64)
        order = np.argsort(stops, kind="stable")
        return stops[order], order
