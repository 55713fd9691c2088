"""`NameVotes`: what an object is called, from what all frames of its track said."""

from __future__ import annotations

from dataclasses import dataclass, field

KEEP = 0.95
"""Share of a vote that is left one frame later, so that a wrong beginning is outvoted in some twenty frames."""

SWITCH = 1.25
"""Another class must lead by this factor before the name changes: two classes that are level do not alternate."""


@dataclass
class _Votes:
    name: str
    total: float = 0.0  # sum of the probabilities
    weight: float = 0.0  # how many frames gave them


@dataclass
class NameVotes:
    """The votes of a track's frames, each as heavy as the probability that the frame gives its class.

    A frame in which the network is unsure votes for the class that it was given instead (Other), with the probability
    that was too low for a name.
    """

    class_id: int = -1
    _votes: dict[int, _Votes] = field(default_factory=dict)

    def add(self, class_id: int, name: str, probability: float) -> None:
        """Counts one frame's class (id -1 and name "": it names nothing), which has a probability of 0..1."""
        for votes in self._votes.values():
            votes.total, votes.weight = KEEP * votes.total, KEEP * votes.weight
        own = self._votes.setdefault(class_id, _Votes(name))
        own.name, own.total, own.weight = name, own.total + probability, own.weight + 1
        leader = max(self._votes, key=lambda k: self._votes[k].total)
        if self.class_id not in self._votes or self._votes[leader].total > SWITCH * self._votes[self.class_id].total:
            self.class_id = leader

    @property
    def name(self) -> str:
        """The name of the class that leads."""
        return self._votes[self.class_id].name

    @property
    def score(self) -> float:
        """The mean probability of the class, 0..1, over the frames that gave it."""
        votes = self._votes[self.class_id]
        return min(1.0, votes.total / votes.weight)
