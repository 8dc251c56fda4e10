"""What the commands of the hub share: where its configuration is."""

from __future__ import annotations

from bridge.commands.session import DEFAULT_CONFIG, Session
from bridge.hub.settings import DEFAULT, HubSettings, load_hub


def hub_of(session: Session) -> HubSettings:
    """The hub's configuration: ``--config``, else ``/etc/schoolbridge/hub.yaml``. Raises SettingsError."""
    return load_hub(DEFAULT if session.config == DEFAULT_CONFIG else session.config)
