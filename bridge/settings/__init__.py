"""The configuration: ``bridge.yaml`` and one file a school.

read       YAML 1.2 into a plain tree with line and column of everything (``source``, ``traps``)
validate   the tree against the models, connectors' options against the connectors' own (``models``, ``render``)
load       all files, all problems at once (``load``)
effective  the school's file over the defaults, in the form the engine wants (``effective``)
"""

from bridge.settings.effective import School, Settings, SideSettings, Timetable
from bridge.settings.in_force import digest, shown
from bridge.settings.load import Catalog, SettingsError, load
from bridge.settings.secrets import resolve
from bridge.settings.source import Problem

__all__ = [
    "Catalog",
    "Problem",
    "School",
    "Settings",
    "SettingsError",
    "SideSettings",
    "Timetable",
    "digest",
    "load",
    "resolve",
    "shown",
]
