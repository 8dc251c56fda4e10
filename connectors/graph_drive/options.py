"""What a school's YAML may say about one drive. How to get into the tenant is said as for the connector ``graph``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.graph.options import Access

#: Every fragment but the last is a multiple of this (Graph: driveItem: createUploadSession).
STEP = 320 * 1024
#: And smaller than this.
LARGEST = 60 * 1024 * 1024
#: What one simple PUT may carry in every tenant; newer ones take 250 MB.
MOST_SIMPLE = 4 * 1024 * 1024

Bytes = Annotated[int, Field(ge=0)]


class Place(BaseModel):
    """Whose drive it is: exactly one of the three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str | None = Field(None, min_length=1, description="Object id (or login) of the user whose OneDrive it is.")
    group: str | None = Field(
        None, min_length=1, description="Object id of the Microsoft 365 group whose library it is."
    )
    id: str | None = Field(None, min_length=1, description="The drive's own id.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.user, self.group, self.id)) != 1:
            raise ValueError("give exactly one of `user`, `group` and `id`")
        return self

    @property
    def path(self) -> str:
        """The drive's path in Graph as it is configured."""
        if self.user is not None:
            return f"/users/{self.user}/drive"
        return f"/groups/{self.group}/drive" if self.group is not None else f"/drives/{self.id}"

    @property
    def owner(self) -> str:
        """For messages: an id, never a name."""
        if self.user is not None:
            return f"the OneDrive of user {self.user}"
        return f"the library of group {self.group}" if self.group is not None else f"the drive {self.id}"


class FileBudgets(BaseModel):
    """What the tenant lets one application spend on files (SharePoint: avoid getting throttled, 2025-10-02).

    By licences up to 1,000 / 5,000 / 15,000 / 50,000 / more: 1,250 / 2,500 / 3,750 / 5,000 / 6,250 units a minute and
    1.2 / 2.4 / 3.6 / 4.8 / 6.0 million a day.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    minute: int = Field(1250, ge=20, description="Resource units a minute that the service allows.")
    day: int = Field(1_200_000, ge=20, description="Resource units in 24 hours that the service allows.")
    hour_in: float = Field(50, gt=0, description="Gigabytes an hour into one drive that the service allows.")
    hour_out: float = Field(100, gt=0, description="Gigabytes an hour out of one drive that the service allows.")
    hour_all: float = Field(400, gt=0, description="Gigabytes an hour into and out of all drives of the tenant.")
    clock_scale: float = Field(1, ge=1, description="How much faster a sandbox's budgets run; 1 for the real service.")
    share: float = Field(0.8, gt=0, le=1, description="The part of both that the bridge may use.")

    @property
    def most_files(self) -> float:
        """Files a second: a download costs one unit, an upload two."""
        return self.minute * self.share * self.clock_scale / 60


class Options(Access):
    """One drive, or one folder at its root, as the cloud side of a share."""

    drive: Place = Field(description="Whose drive.")
    folder: str | None = Field(
        None, min_length=1, max_length=200, pattern=r"^[^/\\]+$",
        description="A folder at the drive's root that is mirrored instead of the whole drive; made when missing.",
    )  # fmt: skip
    parallel: int = Field(8, ge=1, le=32, description="Transfers at the same time, of all drives together, at most.")
    fragment: Bytes = Field(
        30 * 1024 * 1024, ge=STEP, lt=LARGEST, multiple_of=STEP,
        description="Bytes of an upload sent in one piece at most, a multiple of 327680. Less is used on a slow line.",
    )  # fmt: skip
    simple_upload: Bytes = Field(
        0, le=MOST_SIMPLE,
        description="Files up to so many bytes go by a simple PUT, with their time set in a second request: good only "
        "where times don't matter. 0: all files go by an upload session, which sets the time without a second version.",
    )  # fmt: skip
    trust_delivery: bool = Field(
        False, description="Take files whose bytes do not have the hash that the drive shows (protected by AIP or IRM)."
    )
    content_hosts: tuple[str, ...] = Field(
        (), description="More hosts that may send and receive file content. SharePoint's own are always allowed."
    )
    not_provisioned_seconds: float = Field(
        1800,
        gt=0,
        le=86_400,
        description="How long a missing OneDrive isn't asked for again: Microsoft throttles that.",
    )
    file_budgets: FileBudgets = Field(
        default_factory=lambda: FileBudgets.model_validate({}), description="What may be spent on files."
    )
