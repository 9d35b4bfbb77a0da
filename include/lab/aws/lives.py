"""What a control plane says while something happens: words in order, each for its time, the first for as long as work takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

Key = tuple[str, str, str, str]
"""(kind, account, region, identifier): one thing of the control plane."""


@dataclass
class Life:
    """One transition of one thing."""

    word: str
    """What is said while the work lasts, and at least for `least` seconds."""
    final: str
    """What is said from its end on."""
    least: float = 0.0
    work: Future[None] | None = None
    then: tuple[tuple[str, float], ...] = ()
    """Words said between the work's end and the final one, each with its seconds."""
    failed: str = "failed"
    """The final word when the work failed."""
    ended: Callable[[BaseException | None], None] | None = None
    """Called once when the transition is over, with the error of its work."""
    forever: bool = False
    """It never gets any further."""
    began: float = 0.0
    worked: float = 0.0

    def now(self, at: float) -> tuple[str, bool]:
        """The word at an instant (monotonic seconds), and whether the transition is over."""
        if self.forever or (self.work is not None and not self.work.done()):
            return self.word, False
        if self.work is not None and self.work.exception() is not None:
            return self.failed, True
        if not self.worked:
            self.worked = at
        begins = max(self.worked, self.began + self.least)
        if at < begins:
            return self.word, False
        for word, seconds in self.then:
            begins += seconds
            if at < begins:
                return word, False
        return self.final, True


class Lives:
    """Every transition that is under way. All calls are made under the control plane's one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._lives: dict[Key, Life] = {}

    def begin(self, key: Key, life: Life) -> None:
        """Start a transition; an earlier one of the same thing is forgotten without its end."""
        life.began = time.monotonic()
        self._lives[key] = life

    def word(self, key: Key) -> str | None:
        """What the control plane says of a thing in transition; None when it is in none."""
        life = self._lives.get(key)
        return life.now(time.monotonic())[0] if life else None

    def release(self, key: Key) -> bool:
        """Let what was stuck go on. False when it is in no transition."""
        life = self._lives.get(key)
        if life is not None:
            life.forever = False
        return life is not None

    def settle(self) -> None:
        """Finish what is over. Called before every request is answered."""
        at = time.monotonic()
        for key, life in list(self._lives.items()):
            over = life.now(at)[1]
            if over and self._lives.get(key) is life:
                del self._lives[key]
                if life.ended is not None:
                    life.ended(life.work.exception() if life.work else None)

    def drop(self, key: Key) -> None:
        self._lives.pop(key, None)
