"""What a school's YAML may say of a share that is mirrored. Drawn into the configuration reference and schema."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: What programs leave behind and nobody wants to have elsewhere.
EXCLUDE = (
    "~$*", "*.tmp", "~*.tmp", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store", "._*", ".AppleDouble",
    ".~lock.*#", "*.swp", "*.swx", ".*.swo", "*.part", "*.crdownload", ".nfs*", ".fuse_hidden*", ".Trash-*",
    "$RECYCLE.BIN", "System Volume Information", "DfsrPrivate", "lost+found", ".snapshot", "~snapshot", ".recycle",
)  # fmt: skip

Pattern = Annotated[str, Field(min_length=1, max_length=500)]


class Options(BaseModel):
    """Options of the smb connector: one folder of a share of another server, the *root*, with everything below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    include: tuple[Pattern, ...] = Field(
        ("*",), description="Files to mirror: patterns for the name, or with a slash for the path below the root."
    )
    exclude: tuple[Pattern, ...] = Field(
        EXCLUDE, description="Files and folders to leave alone, patterns like those of `include`. Replaces the default."
    )
    read_only: bool = Field(False, description="Never write into the root, whatever the stage allows.")
    watch: bool = Field(True, description="Let the server tell of changes. Without it everything is listed each time.")
    scan_hours: float = Field(6, gt=0, le=168, description="How often everything is listed although the watch lives.")
    quiet_seconds: float = Field(
        2, ge=0, le=3600, description="A file that was changed less than this ago counts as still being written."
    )
    trash_days: int = Field(30, ge=1, le=3650, description="How long overwritten and deleted files are kept.")

    @field_validator("share")
    @classmethod
    def _one_step(cls, share: str) -> str:
        if set(share) & set('\\/:*?"<>|'):
            raise ValueError(f"must be the name of a share alone, not {share}")
        return share

    @field_validator("root")
    @classmethod
    def _beneath(cls, root: str) -> str:
        path = PurePosixPath(root.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"must be a path below the share, without a leading slash and without .., not {root}")
        return "" if str(path) == "." else str(path)

    @property
    def place(self) -> str:
        r"""The root for a person: ``\\server\share\path``."""
        below = "\\" + self.root.replace("/", "\\") if self.root else ""
        return rf"\\{self.server}\{self.share}{below}"
