"""What became of a fusion of many pictures."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Collects what was fused and what was not.

    Attributes:
        fused: Pictures or frames written.
        skipped: Names of what was left out, by reason.
        skipped_count: How many pictures or frames those are.
        notes: What the user should know besides.
    """

    fused: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    skipped_count: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something at the end, once."""
        if text not in self.notes:
            self.notes.append(text)

    def skip(self, name: str, reason: str, count: int = 1) -> None:
        """Note what was left out.

        Args:
            name: Of the picture, or of a run of frames.
            reason: One line.
            count: How many pictures or frames it is.
        """
        self.skipped.setdefault(reason, []).append(name)
        self.skipped_count += count
