"""The properties of users and groups: type, whether they come without $select, who writes them, limits, filters.

One line each: name, type, ``default`` (returned without $select) or ``select``, ``write`` or ``read``, longest value in
characters, operators that ``$filter`` takes. Derived from the property descriptions of Microsoft's published metadata
(github.com/microsoftgraph/msgraph-metadata, MIT) as repeated in msgraph-sdk 1.65.0 (MIT).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

USER = """
aboutMe string select write - -
accountEnabled flag select write - eq,ne,not,in
ageGroup string select write - eq,ne,not,in
assignedLicenses objects select read - eq,not
assignedPlans objects select read - eq,not
birthday date select write - -
businessPhones strings default write - eq,not,ge,le,startsWith
city string select write 128 eq,ne,not,ge,le,in,startsWith
companyName string select write 64 eq,ne,not,ge,le,in,startsWith
consentProvidedForMinor string select write - eq,ne,not,in
country string select write 128 eq,ne,not,ge,le,in,startsWith
createdDateTime date select read - eq,ne,not,ge,le,in
creationType string select read - eq,ne,not,in
department string select write 64 eq,ne,not,ge,le,in
displayName string default write 256 eq,ne,not,ge,le,in,startsWith
employeeHireDate date select write - eq,ne,not,ge,le,in
employeeId string select write 16 eq,ne,not,ge,le,in,startsWith
employeeLeaveDateTime date select write - eq,ne,not,ge,le,in
employeeOrgData object select write - eq,ne,not,ge,le,in
employeeType string select write - eq,ne,not,ge,le,in,startsWith
externalUserState string select read - eq,ne,not,in
externalUserStateChangeDateTime date select read - eq,ne,not,in
faxNumber string select write - eq,ne,not,ge,le,in,startsWith
givenName string default write 64 eq,ne,not,ge,le,in,startsWith
identities objects select read - eq
imAddresses strings select read - eq,not,ge,le,startsWith
interests strings select write - -
isManagementRestricted flag select read - -
isResourceAccount flag select write - -
jobTitle string default write 128 eq,ne,not,ge,le,in,startsWith
lastPasswordChangeDateTime date select read - -
legalAgeGroupClassification string select read - -
licenseAssignmentStates objects select read - -
mail string default write - eq,ne,not,ge,le,in,startsWith,endsWith
mailNickname string select write 64 eq,ne,not,ge,le,in,startsWith
mobilePhone string default write 64 eq,ne,not,ge,le,in,startsWith
mySite string select write - -
officeLocation string default write - eq,ne,not,ge,le,in,startsWith
onPremisesDistinguishedName string select read - -
onPremisesDomainName string select read - -
onPremisesExtensionAttributes object select write - eq,ne,not,in
onPremisesImmutableId string select write - eq,ne,not,ge,le,in
onPremisesLastSyncDateTime date select read - eq,ne,not,ge,le,in
onPremisesProvisioningErrors objects select read - eq,not,ge,le
onPremisesSamAccountName string select read - eq,ne,not,ge,le,in,startsWith
onPremisesSecurityIdentifier string select read - eq
onPremisesSyncEnabled flag select read - eq,ne,not,in
onPremisesUserPrincipalName string select read - eq,ne,not,ge,le,in,startsWith
otherMails strings select write - eq,not,ge,le,in,startsWith,endsWith
passwordPolicies string select write - ne,not,eq
passwordProfile object select write - eq,ne,not,in
pastProjects strings select write - -
postalCode string select write 40 eq,ne,not,ge,le,in,startsWith
preferredDataLocation string select write - -
preferredLanguage string default write - eq,ne,not,ge,le,in,startsWith
preferredName string select write - -
provisionedPlans objects select read - eq,not,ge,le
proxyAddresses strings select read - eq,not,ge,le,startsWith,endsWith
responsibilities strings select write - -
schools strings select write - -
securityIdentifier string select read - -
serviceProvisioningErrors objects select read - eq,not
showInAddressList flag select write - -
signInActivity object select read - eq,ne,not,ge,le
signInSessionsValidFromDateTime date select read - -
skills strings select write - -
state string select write 128 eq,ne,not,ge,le,in,startsWith
streetAddress string select write 1024 eq,ne,not,ge,le,in,startsWith
surname string default write 64 eq,ne,not,ge,le,in,startsWith
usageLocation string select write - eq,ne,not,ge,le,in,startsWith
userPrincipalName string default write - eq,ne,not,ge,le,in,startsWith,endsWith
userType string select write - eq,ne,not,in
"""

GROUP = """
accessType object select read - -
allowExternalSenders flag select write - -
assignedLabels objects select write - -
assignedLicenses objects select read - eq
autoSubscribeNewMembers flag select write - -
classification string default write - eq,ne,not,ge,le,startsWith
createdDateTime date default read - -
description string default write 1024 eq,ne,not,ge,le,startsWith
displayName string default write 256 eq,ne,not,ge,le,in,startsWith
expirationDateTime date default read - eq,ne,not,ge,le,in
groupTypes strings default write - eq,not
hasMembersWithLicenseErrors flag select read - eq
hideFromAddressLists flag select write - -
hideFromOutlookClients flag select write - -
infoCatalogs strings select read - -
isArchived flag select read - -
isAssignableToRole flag default write - eq,ne,not
isFavorite flag select write - -
isManagementRestricted flag select read - -
isSubscribedByMail flag select write - -
licenseProcessingState object select read - -
mail string default read - eq,ne,not,ge,le,in,startsWith
mailEnabled flag default write - eq,ne,not
mailNickname string default write 64 eq,ne,not,ge,le,in,startsWith
membershipRule string default write - eq,ne,not,ge,le,startsWith
membershipRuleProcessingState string default write - eq,ne,not,in
onPremisesDomainName string default read - -
onPremisesExtensionAttributes object select write - eq,ne,not,in
onPremisesLastSyncDateTime date default read - eq,ne,not,ge,le,in
onPremisesNetBiosName string default read - -
onPremisesProvisioningErrors objects default read - eq,not
onPremisesSamAccountName string default read - eq,ne,not,ge,le,in,startsWith
onPremisesSecurityIdentifier string default read - eq
onPremisesSyncEnabled flag default read - eq,ne,not,in
organizationId string select read - -
preferredDataLocation string default write - -
preferredLanguage string default write - eq,ne,not,ge,le,in,startsWith
proxyAddresses strings default read - eq,not,ge,le,startsWith,endsWith
renewedDateTime date default read - eq,ne,not,ge,le,in
resourceBehaviorOptions strings select write - -
resourceProvisioningOptions strings default write - eq,not,startsWith
securityEnabled flag default write - eq,ne,not,in
securityIdentifier string default read - -
serviceProvisioningErrors objects select read - eq,not
theme string default write - -
uniqueName string select write - eq
unseenConversationsCount number select read - -
unseenCount number select read - -
unseenMessagesCount number select read - -
visibility string default write - -
welcomeMessageEnabled flag select write - -
"""

#: Of a device what the bridge may want to know (learn.microsoft.com/graph/api/resources/device). Read-only here.
DEVICE = """
accountEnabled flag default read - eq,ne,not,in
deviceId string default read - eq,ne,not,startsWith
displayName string default read - eq,ne,not,ge,le,in,startsWith
isCompliant flag default read - eq,ne,not,in
isManaged flag default read - eq,ne,not,in
onPremisesSecurityIdentifier string default read - eq
onPremisesSyncEnabled flag default read - eq,ne,not,in
operatingSystem string default read - eq,ne,not,ge,le,startsWith
trustType string default read - eq,ne,not,in
"""

#: Never writable by an application (Graph: user update, "app-only"), so that a mapping to them fails here too.
DELEGATED_ONLY = frozenset(
    [
        "aboutMe",
        "birthday",
        "employeeHireDate",
        "interests",
        "mySite",
        "pastProjects",
        "responsibilities",
        "schools",
        "skills",
    ]
)
#: Only administrators with a higher role may touch these on an administrator (Graph: "sensitive actions").
SENSITIVE = frozenset(
    [
        "accountEnabled",
        "businessPhones",
        "mobilePhone",
        "otherMails",
        "userPrincipalName",
        "passwordProfile",
        "onPremisesImmutableId",
    ]
)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an entity; ``longest`` is in characters, None for no limit."""

    name: str
    type: str
    default: bool
    writable: bool
    longest: int | None
    operators: frozenset[str]


def _table(text: str) -> dict[str, Property]:
    table = {}
    for line in text.strip().splitlines():
        name, kind, returned, access, longest, operators = line.split()
        table[name] = Property(
            name=name,
            type=kind,
            default=returned == "default",
            writable=access == "write",
            longest=None if longest == "-" else int(longest),
            operators=frozenset() if operators == "-" else frozenset(operators.split(",")),
        )
    return table


@cache
def properties(kind: str) -> dict[str, Property]:
    """The property table of ``"user"``, ``"group"`` or ``"device"``, by name."""
    return _table({"user": USER, "group": GROUP, "device": DEVICE}[kind])


@cache
def default_properties(kind: str) -> tuple[str, ...]:
    """What an answer holds when no $select was given (``id`` apart)."""
    return tuple(name for name, entry in properties(kind).items() if entry.default)


_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
_ADDRESS = ("city", "countryOrRegion", "postalCode", "state", "street")
#: What objects inside an object may hold; all of it is text, but for the two marks of a password.
NESTED = {
    "address": _ADDRESS,
    "assignedLabels": ("displayName", "labelId"),
    "course": ("courseNumber", "description", "displayName", "externalId", "subject"),
    "employeeOrgData": ("costCenter", "division"),
    "mailingAddress": _ADDRESS,
    "onPremisesExtensionAttributes": tuple(f"extensionAttribute{number}" for number in range(1, 16)),
    "onPremisesInfo": ("immutableId",),
    "passwordProfile": ("password", "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"),
    "relatedContacts": ("accessConsent", "displayName", "emailAddress", "mobilePhone", "relationship"),
    "residenceAddress": _ADDRESS,
    "student": ("birthDate", "externalId", "gender", "grade", "graduationYear", "studentNumber"),
    "teacher": ("externalId", "teacherNumber"),
    "term": ("displayName", "endDate", "externalId", "startDate"),
}


def is_texts(value: object) -> bool:
    """Whether a JSON value is a list of texts."""
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def nested_matches(name: str, value: object) -> bool:
    """Whether an object inside an object holds only what it may."""
    if not isinstance(value, dict):
        return False
    for key, inner in value.items():
        flag = key.startswith("forceChange") or key == "accessConsent"
        if key not in (*NESTED.get(name, ()), "@odata.type") or not isinstance(inner, bool if flag else str | None):
            return False
    return True


def type_matches(entry: Property, value: object) -> bool:
    """Whether a JSON value fits the property's type; null always does."""
    if value is None:
        return entry.type not in ("strings", "objects")
    match entry.type:
        case "string":
            return isinstance(value, str)
        case "date":
            return isinstance(value, str) and bool(_DATE.fullmatch(value))
        case "flag":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "strings":
            return is_texts(value)
        case "objects":
            return isinstance(value, list) and all(nested_matches(entry.name, part) for part in value)
        case _:
            return nested_matches(entry.name, value)
