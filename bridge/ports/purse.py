"""What a connector may spend of a budget that many share, told by whoever shares it out."""

from __future__ import annotations

from typing import Literal, Protocol

#: ``directory``: resource units of users and groups; ``writes``: of the same; ``files``: units of files.
BudgetName = Literal["directory", "writes", "files"]


class Purse(Protocol):
    """One budget of one tenant in this process: the same object for every connector that asks for it."""

    def rate(self) -> float | None:
        """Units a minute that all who hold it may spend together; None: nobody says, go by your own settings."""

    def spent(self, amount: float) -> None:
        """So many units were spent now."""

    def waiting(self, amount: float) -> None:
        """So many more units (or, negative, fewer) wait until they may be spent."""
