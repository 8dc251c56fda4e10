"""What may stand in a school's file of one side, and of a share: see ``models``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.settings.limits import RoleName
from bridge.settings.words import matching

ShareName = Annotated[
    str,
    *matching(r"[a-z][a-z0-9_-]{0,31}", "no name of a share", "write one like `homes`: lower case, digits, - and _"),
]
#: What Samba takes as a name, as far as it is no risk on a command line.
SambaShareName = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9_À-ÖØ-öø-ÿ][A-Za-z0-9_À-ÖØ-öø-ÿ .$-]{0,39}",
        "no name of a share of Samba",
        "write it as between the brackets in `net conf list`: up to 40 letters, digits, blanks and _ . $ -",
    ),
]


class SideFile(BaseModel):
    """One side of a school: the connector's name; all other keys are the connector's own options."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    connector: str = Field(min_length=1, description="Name of the connector.")

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``connector``, as they stand in the file."""
        return dict(self.__pydantic_extra__ or {})


class Share(BaseModel):
    """Folders of the school, one for each person or group, and the drive that each of them is mirrored with.

    In the options of both sides these stand for what belongs to the person or group: `{login}`, `{name}`, `{class}`
    (the person's class), `{role}`, `{source_anchor}`, `{cloud_id}` (the object's id in the cloud).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=False)

    name: ShareName = Field(description="What the share is called in status, journal and commands.")
    owner: Literal["user", "group"] = Field(
        alias="for", description="Whose folders these are: one for each person, or one for each group."
    )
    roles: list[RoleName] = Field(
        default_factory=list, description="Only people or groups of these roles; empty: all of them."
    )
    named: list[str] = Field(
        default_factory=list, description="Only groups (or people) of these names; empty: all of them."
    )
    permissions: Literal["mirror", "report", "off"] | None = Field(
        default=None,
        description="Who may get at the folder: `mirror` lets them in at the drive, too, before anything is placed "
        "there; `report` only says who that would be; left out: `mirror` for groups, `report` for people.",
    )
    make: bool = Field(
        default=False,
        description="Make the folder of a person who has none yet, with its rights, and move it with the class; only "
        "`for: user`. A folder that was there before is never made again.",
    )
    freeze: Literal["permissions", "samba", "by-hand"] | None = Field(
        default=None,
        description="How people at the school are kept from changing the share while the school is cut over: "
        "`permissions` takes the right to write from all of its folders and files, and gives it back (only `folder`, "
        "and its default); `samba`: Samba on this machine shows the share read-only meanwhile (only `folder`, with "
        "`samba_share`); `by-hand`: somebody makes the share read-only on its server and confirms that.",
    )
    samba_share: SambaShareName | None = Field(
        default=None,
        description="With `freeze: samba`: what Samba calls the share that shows these folders. It has to stand in "
        "Samba's registry, and on root's list `/etc/schoolbridge/samba-shares`; see cutover.md.",
    )
    school: SideFile = Field(description="The folder at the school.")
    cloud: SideFile = Field(description="The drive. Keys that `cloud_side` has too are taken from there if left out.")

    @model_validator(mode="after")
    def _frozen_here(self) -> Share:
        if self.freeze in {"permissions", "samba"} and self.school.connector != "folder":
            raise ValueError("a share of another server can't be frozen by the bridge|write `freeze: by-hand`")
        if (self.freeze == "samba") is not bool(self.samba_share):
            raise ValueError(
                "`freeze: samba` and `samba_share` belong together|write both, as in `samba_share: homes`, or neither"
            )
        return self

    @model_validator(mode="after")
    def _made_for_people(self) -> Share:
        if self.make and self.owner != "user":
            raise ValueError("only homes of people are made|leave `make` out, or write `for: user`")
        return self
