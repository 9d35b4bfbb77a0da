"""What is due, by tier and last proof. Pure: the catalog, the history and `now` decide, and nothing else."""

from __future__ import annotations

from include.values import Frozen, Instant


class History(Frozen):
    """What is known of one datastore's drills."""

    last_passed: Instant | None = None
    """`decided_at` of the newest drill that passed."""
    last_attempt: Instant | None = None
    """`decided_at` of the newest drill, finished or not, whatever came of it. Later than `last_passed`: it did not pass."""
    last_slot: str | None = None
    """The slot of the newest drill: the last part of its id."""
    size_bytes: int | None = None
    """Of the newest recovery point that was restored or verified."""
    restore_seconds: tuple[float, ...] = ()
    """Seconds from the decision to the sandbox's end of recent passed drills, newest first."""
    in_progress: str | None = None
    """Id of a drill that began and has no conclusion yet: it runs, or was killed."""
