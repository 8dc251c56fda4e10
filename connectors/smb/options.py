"""What a school's YAML may say of a share that is mirrored. Drawn into the configuration reference and schema."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from connectors.tree.options import LEFTOVERS, Pattern, TreeOptions, beneath


class Options(TreeOptions):
    """Options of the smb connector: one folder of a share of another server, the *root*, with everything below it."""

    server: str = Field(min_length=1, max_length=255, description="Name or address of the file server.")
    port: int = Field(445, ge=1, le=65535, description="Its TCP port.")
    share: str = Field(min_length=1, max_length=80, description="The share, such as `home$`.")
    root: str = Field(
        ".", validate_default=True, description="The root's path below the share; slashes or backslashes."
    )
    username: str = Field(
        min_length=1, max_length=255, description="Who the bridge logs in as, such as `SCHULE\\\\bridge`."
    )
    password: str = Field(min_length=1, description="A reference, such as `credential:smb`; never the password.")
    authentication: Literal["negotiate", "ntlm", "kerberos"] = Field(
        "negotiate", description="`kerberos` needs the Kerberos libraries and the server's name, not its address."
    )
    encrypt: bool = Field(False, description="Insist on encryption (SMB 3). Signing is always insisted on.")
    connections: int = Field(4, ge=1, le=32, description="Connections at the same time; each lists, reads or writes.")
    timeout: float = Field(60, gt=0, le=600, description="Seconds to wait for an answer of the server.")
    exclude: tuple[Pattern, ...] = Field(
        (*LEFTOVERS, "DfsrPrivate", "lost+found", ".snapshot", "~snapshot", ".recycle"),
        description="Files and folders to leave alone, patterns like those of `include`. Replaces the default.",
    )

    @field_validator("share")
    @classmethod
    def _one_step(cls, share: str) -> str:
        if set(share) & set('\\/:*?"<>|'):
            raise ValueError(f"must be the name of a share alone, not {share}")
        return share

    @field_validator("root")
    @classmethod
    def _beneath(cls, root: str) -> str:
        return beneath(root.replace("\\", "/"), "the share")

    @property
    def place(self) -> str:
        r"""The root for a person: ``\\server\share\path``."""
        below = "\\" + self.root.replace("/", "\\") if self.root else ""
        return rf"\\{self.server}\{self.share}{below}"
