"""Derive progress from the last row and the state beside it: the writer writes neither percentages nor texts."""

from dataclasses import dataclass

from ktrdr_bridge.layout import Kind
from ktrdr_bridge.rows import Completed, Row
from ktrdr_bridge.state import State


@dataclass(slots=True)
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


def completed_units(state: State, row: Row | None, known: Completed | None) -> float | None:
    """Return the whole units that were done before, or with, the last row; None when damage hides it.

    Args:
        state: The newest state.
        row: The last row, if any.
        known: What the rows and the header of its segment tell.
    """
    if row is None or not _newer(row, state):
        return state.completed
    if known is None:
        return None
    if known.phase != row.context.phase or state.mark > known.seq:
        return state.completed
    return known.units


def derive_progress(state: State, row: Row | None, known: Completed | None) -> ProgressSnapshot:
    """Return the progress that the newest state and the last row tell together; arguments as `completed_units`."""
    completed, step, updated_ns, total = state.completed, state.step, state.updated_ns, state.total
    if row is not None:
        updated_ns = max(updated_ns, row.time_ns)
        if _newer(row, state):
            units = completed_units(state, row, known)
            completed, step = describe(state, row.context.kind, row.step, row.context.detail, units)
    fraction = eta_seconds = None
    if total is not None:
        fraction = min(max(completed / total, 0.0), 1.0) if total else 1.0
        done = completed - state.start_completed
        if done > 0 and updated_ns > state.start_ns:
            eta_seconds = max(total - completed, 0.0) * (updated_ns - state.start_ns) / 1e9 / done
    return ProgressSnapshot(
        state.phase, step, completed, total, state.unit, fraction, state.wait_reason, updated_ns, eta_seconds
    )


def describe(state: State, kind: Kind, step: int, detail: int, units: float | None) -> tuple[float, str]:
    """Return (completed units, step text) after an event.

    Args:
        state: Whose phase it belongs to.
        kind: Of the event.
        step: Epoch, batch or completed units.
        detail: Batches of the epoch, 0 where nobody knows how many there are; or rows so far.
        units: What was done before a batch, if known.
    """
    of_total = "" if state.total is None else f"/{state.total}"
    if kind is Kind.EPOCH:
        return float(step), f"epoch {step}{of_total}"
    if kind is Kind.ROWS:
        unit = f" {state.unit}" if state.unit else ""
        return float(step), f"{step}{of_total}{unit}, {detail:,} rows"
    batch = f"batch {step}/{detail}" if detail else f"batch {step}"
    if state.unit == "batches":
        return float(step), batch
    if units is None:
        return state.completed, batch
    return units + (step / detail if detail else 0.0), f"epoch {int(units) + 1}{of_total}, {batch}"


def _newer(row: Row, state: State) -> bool:
    return row.seq >= state.mark and row.context.phase == state.ordinal & 0xFFFF
