"""Describe who may do what: users, roles, and the rights that a token brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: the rights of a user in the order of `content=user`, between the group label and the forms
RIGHTS = (
    "design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts",
    "manage_survey_participants", "calendar", "data_import_tool", "data_comparison_tool", "logging",
    "email_logging", "file_repository", "data_quality_create", "data_quality_execute", "api_export",
    "api_import", "api_modules", "mobile_app", "mobile_app_download_data", "record_create", "record_rename",
    "record_delete", "lock_records_all_forms", "lock_records", "lock_records_customization",
)  # fmt: skip
FULL_RIGHTS: Mapping[str, int] = dict.fromkeys(RIGHTS, 1)
#: export rights of a form
NO_EXPORT, FULL_EXPORT, DEIDENTIFIED, NO_IDENTIFIERS = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Hold a role: its unique name (`U-` and ten characters), label and rights."""

    unique_name: str
    label: str
    rights: Mapping[str, int] = field(default_factory=lambda: dict(FULL_RIGHTS))
    forms: Mapping[str, int] = field(default_factory=dict)
    forms_export: Mapping[str, int] = field(default_factory=dict)
    #: the attributes of its XML that are no rights of the API, in order
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Hold a user of a project; `dag` is a unique group name, `role` a unique role name, both may be blank.

    A form that `forms` or `forms_export` does not name has full rights (1).
    """

    username: str
    email: str = ""
    firstname: str = ""
    lastname: str = ""
    expiration: str = ""
    dag: str = ""
    role: str = ""
    rights: Mapping[str, int] = field(default_factory=lambda: dict(FULL_RIGHTS))
    forms: Mapping[str, int] = field(default_factory=dict)
    forms_export: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Hold the rights that count: the role's where the user has one, else the user's own."""

    user: User
    rights: Mapping[str, int]
    forms: Mapping[str, int]
    forms_export: Mapping[str, int]

    def may(self, right: str) -> bool:
        """Tell whether the right is given."""
        return bool(self.rights.get(right, 0))

    def export_right(self, form: str) -> int:
        """Return 0 none, 1 full, 2 de-identified or 3 without identifiers."""
        return self.forms_export.get(form, FULL_EXPORT)


def access_of(user: User, roles: Mapping[str, Role]) -> Access:
    """Join a user with the role that overrides the user's own rights."""
    holder = roles.get(user.role, user) if user.role else user
    return Access(user=user, rights=holder.rights, forms=holder.forms, forms_export=holder.forms_export)
