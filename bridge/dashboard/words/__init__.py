"""The words of the dashboard: one TOML file a language, the same keys in each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

#: language -> table -> key -> words
LANGUAGES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    language: tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text("utf-8"))
    for language in ("de", "en")
}
