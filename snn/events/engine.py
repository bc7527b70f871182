"""Run an event network: one recording, a batch, or a stream in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from snn.errors import UserError, did_you_mean
from snn.events._checkpoints import Checkpoints
from snn.events._events import Columns, check, columns_of, structured
from snn.events._layout import lay_out
from snn.events._state import CHUNK, Rows, State
from snn.events.network import EventNetwork
from snn.events.result import RunResult

MODES = ("float", "int8", "dynapcnn")
ORDERS = ("breadth", "depth")
PROGRESS_SECONDS = 0.2
PIECE = 1 << 15  # events of a batch that a worker brings into columns and runs at once, if recordings are that short
LONG = 1 << 19  # events of a batch's recording above which it is brought into columns part by part
PIECES = 8  # a worker's pieces of a batch, at least: the last ones to end leave others idle for so much less
_NOTHING = np.zeros(0, np.int64)


class Engine:
    """An `EventNetwork` made ready to run in one mode and order. Threads may share an engine, but not a state.

    mode: "float" (float32); "int8" (int8 weights, int16 saturating membranes); "dynapcnn" (the same numbers, rounded
    as the vendor of the Speck chip rounds them, see `snn.events._quantise`).
    order: "breadth" (each population consumes its whole queue, per input event) or "depth" (each spike is followed to
    the end first). They differ only where a population merges several synapses.
    Raises `UserError` for an unknown mode or order, and where an integer mode cannot hold a threshold.
    """

    def __init__(self, network: EventNetwork, mode: str = "float", order: str = "breadth") -> None:
        if not isinstance(network, EventNetwork):
            raise UserError(f"Engine needs an EventNetwork, not {type(network).__name__}; load(path) reads one")
        for what, value, names in (("mode", mode, MODES), ("order", order, ORDERS)):
            if value not in names:
                raise UserError(f"unknown {what} {value!r}{did_you_mean(str(value), names)}")
        from snn.events import _kernel  # imports the compiler

        self._kernel = _kernel
        self.network, self.mode, self.order = network, mode, order
        self._layout = lay_out(network, mode, order == "depth")
        self._output_spikes = network.population(network.output).spiking
        self._spare: list[State] = []  # used again by the next batch: memory does not grow with recordings

    def state(self, trace: bool = False) -> State:
        """A new recording. trace=True keeps every spike (memory grows with their number)."""
        return State(self._layout, trace)

    def feed(self, state: State, t: Any, x: Any, y: Any, p: Any, sort: bool = False) -> None:
        """Run further events (arrays of one length; t in µs) of the recording; any cutting gives the same results.

        Raises `UserError`, before any of them is run, where time goes backwards (within the arrays or since the
        last call), or an event lies outside the input's shape. sort=True sorts the arrays by time first (stable).
        """
        self._advance(state, columns_of(t, x, y, p, sort))

    def result(self, state: State) -> RunResult:
        """Results so far."""
        return self._result(state, Checkpoints.of(None), _NOTHING)

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
        state, events, marks = self.state(trace), columns_of(t, x, y, p, sort), Checkpoints.of(checkpoints)
        stops, where = marks.stops(events.t)
        return self._result(state, marks, _placed(self._advance(state, events, stops), where))

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
        events, offsets = structured(events, offsets)
        if not isinstance(threads, int | np.integer) or threads < 1:
            raise UserError(f"threads must be a whole number, at least 1, not {threads!r}")
        marks, n = Checkpoints.of(checkpoints), len(offsets) - 1
        rows = self._rows(n, marks)
        done: list[int] = []  # recordings of each piece that has been run
        errors: dict[int, UserError] = {}  # by recording
        most = 1 if sort else max(1, n // (PIECES * threads))
        pieces = iter(list(_pieces(offsets, most)))  # shared: each worker takes the next one

        def work(report: Callable[[int, int], None] | None = None) -> None:
            state = self._spare.pop() if self._spare else self.state()
            for low, high in pieces:
                try:
                    self._run_piece(state, events, offsets[low : high + 1], marks, rows, low, sort)
                except _Refused as refused:
                    errors[refused.recording] = refused.reason
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
        fields = rows._asdict()
        if self._output_spikes:
            fields["counts"] = rows.counts.astype(np.int64)
        return RunResult(**fields, times_us=marks.times_us, fractions=marks.fractions)

    def _run_piece(
        self,
        state: State,
        events: np.ndarray,
        bounds: np.ndarray,
        marks: Checkpoints,
        rows: Rows,
        first_row: int,
        sort: bool,
    ) -> None:
        """Successive recordings of a batch, between `bounds`; results go to `rows` from `first_row` on."""
        part = events[bounds[0] : bounds[-1]]
        if len(part) > LONG and len(bounds) == 2 and not sort:
            self._run_long(state, part, marks, rows, first_row)
            return
        try:
            columns = columns_of(part["t"], part["x"], part["y"], part["p"], sort)
        except UserError as error:
            raise _Refused(first_row, error) from None
        bounds = bounds - bounds[0]
        shape, integer = self.network.input_shape, self.mode != "float"
        state.queue, ran = self._kernel.run_many(
            self._layout, state.work, state.queue, *columns, bounds, shape, CHUNK, integer, *marks, first_row, rows
        )
        if ran < len(bounds) - 1:
            try:
                check(Columns(*(c[bounds[ran] : bounds[ran + 1]] for c in columns)), shape)
            except UserError as error:
                raise _Refused(first_row + ran, error) from None

    def _run_long(self, state: State, events: np.ndarray, marks: Checkpoints, rows: Rows, row: int) -> None:
        """One long recording: memory does not grow with its events, which may be mapped from a file."""
        state.reset()
        stops, where = marks.stops(events["t"])
        decisions = np.full(len(stops), -1, np.int64)
        try:
            for start in range(0, len(events), LONG):
                part = events[start : start + LONG]
                columns = columns_of(part["t"], part["x"], part["y"], part["p"])
                here = (stops > start) & (stops <= start + LONG)
                decisions[here] = self._advance(state, columns, stops[here] - start, first=start)
        except UserError as error:
            raise _Refused(row, error) from None
        result = self._result(state, marks, _placed(decisions, where))
        for name, array in rows._asdict().items():
            array[row] = getattr(result, name)

    def _rows(self, n: int, marks: Checkpoints) -> Rows:
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

    def _advance(self, state: State, events: Columns, stops: np.ndarray = _NOTHING, first: int = 0) -> np.ndarray:
        """Run further events; returns the prediction after `stops[k]` of them (ascending). first: their first one's
        number in error messages."""
        check(events, self.network.input_shape, state.t_last if state.n_events else -1, first)
        n = len(events.t)
        if n and not state.n_events:
            state.t_first = int(events.t[0])
            state.work.last.fill(state.t_first)
        decisions = np.full(len(stops), -1, np.int64)
        # The queues hold the spikes of one chunk: to keep all of them, they are read after each.
        step = CHUNK if state.trace is not None else max(n, 1)
        for start in range(0, max(n, 1), step):
            piece = Columns(*(c[start : start + step] for c in events))
            here = (stops > start) & (stops <= start + step) if step < n else slice(None)
            part = np.ascontiguousarray(decisions[here])
            state.queue = self._kernel.advance(
                self._layout, state.work, state.queue, *piece, state.t_first, CHUNK, stops[here] - start, part
            )
            decisions[here] = part
            if state.trace is not None:
                self._keep_trace(state, state.trace, piece.t, state.n_events + start)
        if n:
            state.t_last = int(events.t[-1])
            state.n_events += n
        return decisions

    def _keep_trace(self, state: State, trace: list[list[np.ndarray]], t: np.ndarray, base: int) -> None:
        """Append the spikes in the queues; base: number of the input event at t[0]."""
        if not len(t):
            return
        for p, spikes in enumerate(trace, 1):
            row = self._layout.populations[p]
            root, place = np.divmod(state.queue[p, : state.work.length[p]], 2**self._kernel.ROOT_BITS)
            at, c = np.divmod(place, row["stride"])
            spikes.append(np.column_stack([root + base, t[root], c, *np.divmod(at, row["width"])]))

    def _result(self, state: State, marks: Checkpoints, decisions: np.ndarray) -> RunResult:
        layout, work = self._layout, state.work
        values = np.zeros(self.network.n_classes)
        prediction = self._kernel.predict(layout, work, state.t_last, values)
        if not self._output_spikes:
            self._kernel.read_output(layout, work, state.t_last, values)
        trace = None
        if state.trace is not None:
            trace = [np.concatenate([np.empty((0, 5), np.int64), *spikes]) for spikes in state.trace]
        return RunResult(
            prediction=np.int64(prediction),
            counts=work.counts.copy() if self._output_spikes else values,
            first_spike_us=work.first.copy(),
            spikes=work.spikes.copy(),
            synops=work.synops.copy(),
            n_events=np.int64(state.n_events),
            saturated=np.int64(self._kernel.saturated(layout, work) if self.mode != "float" else 0),
            times_us=marks.times_us,
            fractions=marks.fractions,
            over_time=decisions[: len(marks.times_us)],
            over_events=decisions[len(marks.times_us) :],
            trace=trace,
        )


class _Refused(Exception):
    """A recording of a batch holds an invalid event."""

    def __init__(self, recording: int, reason: UserError) -> None:
        super().__init__(str(reason))
        self.recording, self.reason = recording, reason


def _placed(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """out[where[k]] = values[k]."""
    out = np.empty_like(values)
    out[where] = values
    return out


def _pieces(offsets: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """(first, end) of successive recordings: at most `most` of them and `PIECE` events, but at least one recording."""
    low, n = 0, len(offsets) - 1
    while low < n:
        within = int(np.searchsorted(offsets, offsets[low] + PIECE, side="right")) - 1
        high = min(n, low + most, max(low + 1, within))
        yield low, high
        low = high
