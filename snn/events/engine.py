"""Run an event network: one recording, a batch, or a stream in pieces."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
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
PIECE = 1 << 15  # events of a batch that a worker brings into columns and runs at once, if recordings are that short
LONG = 1 << 19  # events of a batch's recording above which it is brought into columns part by part
PIECES = 8  # a worker's share of a batch, at least: the last ones to end leave others idle for so much less
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


class Rows(NamedTuple):
    """Results of a batch of n recordings as the kernel writes them; names and shapes of `RunResult`."""

    prediction: np.ndarray
    counts: np.ndarray  # float64 whether the output spikes or not: one type, one compilation
    first_spike_us: np.ndarray
    spikes: np.ndarray
    synops: np.ndarray
    n_events: np.ndarray
    saturated: np.ndarray
    over_time: np.ndarray
    over_events: np.ndarray


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
        events, at which the prediction is taken. progress(done, n) is called from this thread: after each piece of a
        few recordings or, with several threads, five times a second and at the end.
        """
        events, offsets = _events.batch(events, offsets)
        if int(threads) != threads or threads < 1:
            raise UserError(f"threads must be a whole number, at least 1, not {threads!r}")
        marks, n, done = _Checkpoints.of(checkpoints), len(offsets) - 1, []
        rows = self._rows(n, marks)
        errors: dict[int, UserError] = {}
        most = 1 if sort else max(1, n // (PIECES * threads))
        pieces = iter(list(_pieces(offsets, most)))  # shared: each worker takes the next one

        def work(report: Callable[[int, int], None] | None = None) -> None:
            state = self._spare.pop() if self._spare else self.state()
            for low, high in pieces:
                try:
                    self._run_piece(state, events, offsets[low : high + 1], marks, rows, low, sort)
                except _Refused as refused:
                    errors[refused.recording] = refused
                if errors:
                    break
                done.append(high - low)
                if report:
                    report(sum(done), n)
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
                        progress(sum(done), n)
        for i in sorted(errors):  # every earlier recording was taken before, and is whole
            raise UserError(f"recording {i}: {errors[i]}")
        counts = rows.counts.astype(np.int64) if self._spiking else rows.counts
        found = rows._replace(counts=counts)._asdict()
        return RunResult(**found, times_us=marks.times_us, fractions=marks.fractions)

    def _run_piece(
        self,
        state: State,
        events: np.ndarray,
        bounds: np.ndarray,
        marks: _Checkpoints,
        rows: Rows,
        first_row: int,
        sort: bool,
    ) -> None:
        part = events[bounds[0] : bounds[-1]]
        if len(part) > LONG and len(bounds) == 2 and not sort:
            self._run_long(state, part, marks, rows, first_row)
            return
        try:
            columns = _events.columns(part["t"], part["x"], part["y"], part["p"], sort)
        except UserError as error:
            raise _Refused(first_row, error) from None
        bounds = bounds - bounds[0]
        shape, integer = self.network.input_shape, self.mode == "int8"
        state.queue, ran = self._kernel.run_many(
            self.plan, state.work, state.queue, *columns, bounds, shape, CHUNK, integer, *marks, first_row, rows
        )
        if ran < len(bounds) - 1:
            try:
                _events.check(self._kernel, *(c[bounds[ran] : bounds[ran + 1]] for c in columns), -1, shape)
            except UserError as error:
                raise _Refused(first_row + ran, error) from None

    def _run_long(self, state: State, events: np.ndarray, marks: _Checkpoints, rows: Rows, row: int) -> None:
        """One long recording: memory does not grow with its events, which may be mapped from a file."""
        state.reset()
        stops, where = marks.stops(events["t"])
        decisions = np.full(len(stops), -1, np.int64)
        try:
            for start in range(0, len(events), LONG):
                part = events[start : start + LONG]
                columns = _events.columns(part["t"], part["x"], part["y"], part["p"], False)
                here = (stops > start) & (stops <= start + LONG)
                decisions[here] = self._advance(state, *columns, stops=stops[here] - start, first=start)
        except UserError as error:
            raise _Refused(row, error) from None
        ordered = np.empty_like(decisions)
        ordered[where] = decisions
        result = self._result(state, marks, ordered[: len(marks.times_us)], ordered[len(marks.times_us) :])
        for name, array in rows._asdict().items():
            array[row] = getattr(result, name)

    def _rows(self, n: int, marks: _Checkpoints) -> Rows:
        def whole(*shape: int) -> np.ndarray:
            return np.empty((n, *shape), np.int64)

        classes, populations = self.network.n_classes, len(self.network.populations)
        return Rows(
            prediction=whole(),
            counts=np.empty((n, classes)),
            first_spike_us=whole(classes),
            spikes=whole(populations),
            synops=whole(len(self.network.synapses)),
            n_events=whole(),
            saturated=whole(),
            over_time=whole(len(marks.times_us)),
            over_events=whole(len(marks.fractions)),
        )

    def _one(self, state: State, columns: _events.Columns, marks: _Checkpoints) -> RunResult:
        stops, where = marks.stops(columns.t)
        decisions = self._advance(state, *columns, stops=stops)
        ordered = np.empty_like(decisions)
        ordered[where] = decisions
        return self._result(state, marks, ordered[: len(marks.times_us)], ordered[len(marks.times_us) :])

    def _advance(
        self,
        state: State,
        t: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        p: np.ndarray,
        stops: np.ndarray = _NOTHING,
        first: int = 0,
    ) -> np.ndarray:
        before = state.t_last if state.n_events else -1
        _events.check(self._kernel, t, x, y, p, before, self.network.input_shape, first)
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
        if not self._spiking:
            self._kernel.read_output(plan, work, state.t_last, values)
        trace = None
        if state.trace is not None:
            trace = [np.concatenate([np.empty((0, 5), np.int64), *kept]) for kept in state.trace]
        return RunResult(
            prediction=np.int64(prediction),
            counts=work.counts.copy() if self._spiking else values,
            first_spike_us=work.first.copy(),
            spikes=work.spikes.copy(),
            synops=work.synops.copy(),
            n_events=np.int64(state.n_events),
            saturated=np.int64(self._kernel.saturated(plan, work) if self.mode == "int8" else 0),
            times_us=marks.times_us,
            fractions=marks.fractions,
            over_time=times,
            over_events=fractions,
            trace=trace,
        )

    @property
    def _spiking(self) -> bool:
        return bool(self.plan.populations[self.plan.output, _plan.SPIKING])


class _Refused(Exception):
    """A recording of a batch holds an event that cannot be."""

    def __init__(self, recording: int, reason: UserError) -> None:
        super().__init__(str(reason))
        self.recording = recording


def _pieces(offsets: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """(first, end) of successive recordings: at most `most` of them and `PIECE` events, but at least one recording."""
    low, n = 0, len(offsets) - 1
    while low < n:
        within = int(np.searchsorted(offsets, offsets[low] + PIECE, side="right")) - 1
        high = min(n, low + most, max(low + 1, within))
        yield low, high
        low = high


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
        """Numbers of events consumed at each checkpoint, ascending, and where each of them belongs (as the kernel's
        `stops_of`, but t may be a column of a file that is mapped: only a few of its times are read)."""
        n, begun = range(len(t)), int(t[0]) if len(t) else 0
        by_time = [bisect_right(n, at, key=lambda i: int(t[i]) - begun) for at in self.times_us.tolist()]
        by_count = np.floor(self.fractions * len(t) + 1e-9).astype(np.int64)
        stops = np.concatenate([np.array(by_time, np.int64), by_count])
        order = np.argsort(stops, kind="stable")
        return stops[order], order
