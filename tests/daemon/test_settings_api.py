"""The block ``api``: nothing is served in the clear beyond this machine, no secret stands in it."""

from pathlib import Path

import pytest

from bridge.daemon.catalog import Catalog
from bridge.settings import SettingsError, load
from bridge.settings.api import Api
from tests.daemon.embedded import Embedded


def loaded(root: Path, api: str) -> Api:
    school = Embedded(root)
    school.config.write_text(school.config.read_text() + f"api: {api}\n")
    return load(school.config, Catalog()).bridge.api


def test_it_is_on_and_on_this_machine_only(tmp_path: Path) -> None:
    api = load(Embedded(tmp_path).config, Catalog()).bridge.api
    assert (api.enabled, api.loopback, api.address) == (True, True, ("127.0.0.1", 8078))
    assert api.hosts == {"localhost", "127.0.0.1", "[::1]"}


@pytest.mark.parametrize("listen", ["127.0.0.2:80", "[::1]:8078", "localhost:8078", "unix:/run/x.sock"])
def test_loopback_needs_no_tls(tmp_path: Path, listen: str) -> None:
    assert loaded(tmp_path, f"{{listen: '{listen}'}}").loopback


@pytest.mark.parametrize("listen", ["0.0.0.0:8078", "[::]:8078", "192.0.2.1:443", "bridge.school.example:443"])
def test_beyond_it_does(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SettingsError, match="without encryption"):
        loaded(tmp_path, f"{{listen: '{listen}'}}")


@pytest.mark.parametrize(
    "more",
    ["tls: {certificate: 'credential:cert', key: 'credential:key'}", "proxied: {secret: 'credential:proxy'}"],
)
def test_or_a_proxy(tmp_path: Path, more: str) -> None:
    api = loaded(tmp_path, f"{{listen: '192.0.2.1:443', allowed_hosts: [Bridge.Example], {more}}}")
    assert "bridge.example" in api.hosts
    assert "192.0.2.1" in api.hosts


@pytest.mark.parametrize(
    ("api", "text"),
    [
        ("{listen: '8078'}", "no address to listen on"),
        ("{listen: '127.0.0.1:99999'}", "no address to listen on"),
        ("{listen: 'unix:api.sock'}", "not absolute"),
        ("{tls: {certificate: 'credential:c', key: 'MIIEvQIBADANBg'}}", "a secret stands in the file"),
        ("{proxied: {secret: 'hunter22'}}", "a secret stands in the file"),
        ("{proxied: {secret: 'env:A', user_header: 'X Y'}}", "no name of an HTTP header"),
        ("{allowed_hosts: ['https://a.example']}", "no name of a host"),
        ("{lifetime: 5000 days}", "longer than ten years|no lifetime"),
        ("{lifetime: 1s}", "no lifetime of a token"),
        ("{tokens: [x]}", "tokens"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, api: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as told:
        loaded(tmp_path, api)
    assert "hunter22" not in str(told.value)
    assert "MIIEvQIBADANBg" not in str(told.value)
