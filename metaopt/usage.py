"""What trials have made of their GPUs, in words."""

from collections.abc import Iterable, Mapping, Sequence

from metaopt.trial import Trial

FIGURES = ("gpu_utilisation", "gpu_memory", "gpu_memory_total", "gpu_joules")
"""Of a trial's ``usage``: mean utilisation (0 to 1), the most memory in use and what there is (bytes), energy (J)."""
FULL = 0.9  # of a GPU, for trials that share it
NUMBERS = ("two", "three", "four")
GIB, KWH = 1 << 30, 3.6e6


def summed_up(parts: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """The usage of a trial on several nodes, each with so many GPUs, and what these did.

    The mean of the utilisation is over all GPUs, the memory that of the node that had the most of it in use, the energy
    the sum.  A figure that no node tells is left out.
    """
    utilisation, memory, total, joules = FIGURES
    found: dict[str, float] = {}
    if busy := [(gpus, usage[utilisation]) for gpus, usage in parts if gpus and utilisation in usage]:
        found[utilisation] = round(sum(gpus * share for gpus, share in busy) / sum(gpus for gpus, _ in busy), 4)
    if fullest := max((usage for _, usage in parts if memory in usage), key=lambda each: each[memory], default=None):
        found |= {name: fullest[name] for name in (memory, total) if name in fullest}
    if spent := [usage[joules] for _, usage in parts if joules in usage]:
        found[joules] = round(sum(spent), 3)
    return found


def in_words(trials: Iterable[Trial], per_trial: float | None) -> str:
    """How busy their GPUs were, weighted by time, and how many trials could share one; empty without figures."""
    known = [(trial.usage, trial.lasted or 0.0) for trial in trials if set(FIGURES[:3]) <= trial.usage.keys()]
    seconds = sum(duration for _, duration in known)
    if seconds <= 0:
        return ""
    busy = sum(usage["gpu_utilisation"] * duration for usage, duration in known) / seconds
    memory = max(usage["gpu_memory"] / (usage["gpu_memory_total"] or 1) for usage, _ in known)
    joules = sum(usage.get("gpu_joules", 0.0) for usage, _ in known)
    peak = max(usage["gpu_memory"] for usage, _ in known) / GIB
    said = f"GPU busy {busy:.0%}, at most {peak:.1f} GiB ({memory:.0%}) in use, {joules / KWH:.3g} kWh"
    room = min(int(FULL / max(busy, memory, 0.01)), len(NUMBERS) + 1)
    if room > 1 and per_trial in {None, 1}:
        share = f"{{gpus_per_trial: {1 / room:.2g}}}"
        said += f": {NUMBERS[room - 2]} trials per GPU would fit (resources: {share})"
    return said
