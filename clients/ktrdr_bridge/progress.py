"""Derive progress from the last row and the state beside it: the writer writes neither percentages nor texts."""

from dataclasses import dataclass

from ktrdr_bridge.layout import Kind
from ktrdr_bridge.rows import Row
from ktrdr_bridge.state import State


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """How far a session is.

    Attributes:
        phase: Such as "train"; empty before the first.
        step: What is done now, in words.
        completed: Units of the phase that are done; batches count as fractions of an epoch.
        total: Units of the phase, if known.
        unit: What is counted, plural.
        fraction: 0 to 1, or None without a total.
        wait_reason: What the session waits for; empty when it works.
        updated_ns: Unix time of the last report (ns); 0 before the first.
        eta_seconds: Estimate of the rest of the phase, from its own pace; None while unknown.
    """

    phase: str = ""
    step: str = ""
    completed: float = 0.0
    total: int | None = None
    unit: str = ""
    fraction: float | None = None
    wait_reason: str = ""
    updated_ns: int = 0
    eta_seconds: float | None = None


def newer_than_state(row: Row, seq: int, state: State) -> bool:
    """Tell whether a row came after the state's `completed` and `step`."""
    return seq >= state.mark and row.context.phase == state.ordinal & 0xFFFF


def derive_progress(state: State, row: Row | None, seq: int) -> ProgressSnapshot:
    """Return the progress that the last row (with its seq) and the newest state tell together."""
    completed, step, updated_ns = state.completed, state.step, state.updated_ns
    if row is not None:
        updated_ns = max(updated_ns, row.time_ns)
        if newer_than_state(row, seq, state):
            completed, step = describe(state, row.context.kind, row.step, row.context.base, row.context.detail)
    fraction = None
    if state.total is not None:
        fraction = min(max(completed / state.total, 0.0), 1.0) if state.total else 1.0
    return ProgressSnapshot(
        phase=state.phase,
        step=step,
        completed=completed,
        total=state.total,
        unit=state.unit,
        fraction=fraction,
        wait_reason=state.wait_reason,
        updated_ns=updated_ns,
        eta_seconds=_eta_seconds(state, completed, updated_ns),
    )


def describe(state: State, kind: Kind, step: int, base: int, detail: int) -> tuple[float, str]:
    """Return (completed units, step text) after an event; the arguments are those of a row in docs/journal.md."""
    of_total = "" if state.total is None else f"/{state.total}"
    if kind is Kind.EPOCH:
        return float(step), f"epoch {step}{of_total}"
    if kind is Kind.ROWS:
        unit = f" {state.unit}" if state.unit else ""
        return float(step), f"{step}{of_total}{unit}, {detail:,} rows"
    if state.unit == "batches":
        return float(step), f"batch {step}/{detail}"
    return base + (step / detail if detail else 0.0), f"epoch {base + 1}{of_total}, batch {step}/{detail}"


def _eta_seconds(state: State, completed: float, updated_ns: int) -> float | None:
    done = completed - state.start_completed
    if state.total is None or done <= 0 or updated_ns <= state.start_ns:
        return None
    return max(state.total - completed, 0.0) * (updated_ns - state.start_ns) / 1e9 / done
