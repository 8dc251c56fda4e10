"""The doors: what the engine asks of a connector and of the state store. The comments are the contract.

errors   what may go wrong, sorted by what the caller does next
side     one side of a school: observing it, writing to it
content  the bytes of files, streamed
memory   what the bridge remembers
devices  which computers there are
foundation  how a root comes into being
freezing how people are kept from changing it for a while
open_files  which files are open
passwords  setting one account's password
authority  who masters an object in the cloud
purse    what it may spend of a budget that many share
rights   who may get at the root of a share
trash    what a side keeps of deleted and overwritten files
trees    what it remembers of trees and of the bytes in them
"""

from bridge.ports.authority import CloudAuthority, Mastered
from bridge.ports.content import QUICKXOR, UNREAD, Contents, Source
from bridge.ports.devices import Device, DevicesTold
from bridge.ports.errors import (
    BridgeError,
    Busy,
    ConfigurationError,
    ContentChanged,
    Fenced,
    Refused,
    Spent,
    TokenLost,
    Unreachable,
    Waiting,
)
from bridge.ports.foundation import Account, Foundation
from bridge.ports.freezing import NOTICE, Freezing, Frozen, KeptModes, Mode
from bridge.ports.memory import Candidate, Done, Loose, Pair, Store, Tallies, Trouble, chunks
from bridge.ports.open_files import AllOpened, Opened, OpenFiles
from bridge.ports.passwords import Asked, InDoubt, LogIn, NotSet, Passwords
from bridge.ports.purse import BudgetName, Purse
from bridge.ports.rights import Rights, RightsTold, Sharing
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
    Purge,
    Removal,
    Topic,
    Write,
    Written,
    never,
    permitted,
)
from bridge.ports.trash import Kept, Trash
from bridge.ports.trees import KeptBoth, Meaning, Trees

__all__ = [
    "NOTICE",
    "QUICKXOR",
    "UNREAD",
    "Account",
    "AllOpened",
    "Asked",
    "BridgeError",
    "BudgetName",
    "Busy",
    "Candidate",
    "Capabilities",
    "CloudAuthority",
    "ConfigurationError",
    "Connector",
    "ContentChanged",
    "Contents",
    "Context",
    "Device",
    "DevicesTold",
    "Done",
    "Failed",
    "Fenced",
    "Finding",
    "Foundation",
    "Freezing",
    "Frozen",
    "Identity",
    "InDoubt",
    "Kept",
    "KeptBoth",
    "KeptModes",
    "LogIn",
    "Loose",
    "Mastered",
    "Meaning",
    "Mode",
    "NotSet",
    "Observation",
    "OpenFiles",
    "Opened",
    "Outcome",
    "Page",
    "Pair",
    "Passwords",
    "Purge",
    "Purse",
    "Refused",
    "Removal",
    "Rights",
    "RightsTold",
    "Sharing",
    "Source",
    "Spent",
    "Store",
    "Tallies",
    "TokenLost",
    "Topic",
    "Trash",
    "Trees",
    "Trouble",
    "Unreachable",
    "Waiting",
    "Write",
    "Written",
    "chunks",
    "never",
    "permitted",
]
