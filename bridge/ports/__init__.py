"""The doors: what the engine asks of a connector and of the state store. The comments are the contract.

errors   what may go wrong, sorted by what the caller does next
side     one side of a school: observing it, writing to it
memory   what the bridge remembers
"""

from bridge.ports.errors import BridgeError, ConfigurationError, Refused, TokenLost, Unreachable
from bridge.ports.memory import Candidate, Done, Loose, Pair, Store, Tallies, Trouble, chunks
from bridge.ports.side import (
    Capabilities,
    Connector,
    Context,
    Failed,
    Finding,
    Identity,
    Observation,
    Outcome,
    Page,
    Removal,
    Write,
    Written,
)

__all__ = [
    "BridgeError",
    "Candidate",
    "Capabilities",
    "ConfigurationError",
    "Connector",
    "Context",
    "Done",
    "Failed",
    "Finding",
    "Identity",
    "Loose",
    "Observation",
    "Outcome",
    "Page",
    "Pair",
    "Refused",
    "Removal",
    "Store",
    "Tallies",
    "TokenLost",
    "Trouble",
    "Unreachable",
    "Write",
    "Written",
    "chunks",
]
