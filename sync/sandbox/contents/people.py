"""Answer who works in a project: users, roles, groups and who belongs to which."""

from collections.abc import Mapping

from sync.sandbox.call import Call
from sync.sandbox.people import RIGHTS, User, access_of
from sync.sandbox.wire import Reply

DAG_KEYS = ("data_access_group_name", "unique_group_name", "data_access_group_id")
USER_KEYS = (
    "username", "email", "firstname", "lastname", "expiration", "data_access_group", "data_access_group_id",
    "data_access_group_label", *RIGHTS, "forms", "forms_export",
)  # fmt: skip
#: recorded: a role's rights are texts, and its three locking rights stand the other way round
_ROLE_RIGHTS = (*RIGHTS[:-3], *reversed(RIGHTS[-3:]))
ROLE_KEYS = ("unique_role_name", "role_label", *_ROLE_RIGHTS, "forms", "forms_export")


def dags(call: Call) -> Reply:
    """Answer the data access groups."""
    rows: list[dict[str, object]] = [
        {
            "data_access_group_name": dag.name,
            "unique_group_name": dag.unique_name,
            "data_access_group_id": dag.dag_id,  # guess: dag-id-type
        }
        for dag in call.project.structure.dags
    ]
    return call.table(rows, DAG_KEYS, root="dags")


def users(call: Call) -> Reply:
    """Answer the users with the rights that count for them."""
    structure = call.project.structure
    rows: list[dict[str, object]] = []
    for user in _sorted(call):
        access = access_of(user, call.project.roles)
        dag = structure.dag_by_name.get(user.dag)
        rows.append(
            {
                "username": user.username,
                "email": user.email,
                "firstname": user.firstname,
                "lastname": user.lastname,
                "expiration": user.expiration,
                "data_access_group": user.dag,
                "data_access_group_id": str(dag.dag_id) if dag else "",
                "data_access_group_label": dag.name if dag else "",
                **{right: access.rights.get(right, 0) for right in RIGHTS},
                "forms": _by_form(call, access.forms),
                "forms_export": _by_form(call, access.forms_export),
            }
        )
    return call.table(rows, USER_KEYS, root="users")


def _sorted(call: Call) -> list[User]:
    """List the users by name, as recorded."""
    return sorted(call.project.users.values(), key=lambda user: user.username.lower())


def _by_form(call: Call, rights: Mapping[str, int]) -> dict[str, int]:
    return {form.name: rights.get(form.name, 1) for form in call.project.structure.forms}


def roles(call: Call) -> Reply:
    """Answer the user roles."""
    rows: list[dict[str, object]] = [
        {
            "unique_role_name": role.unique_name,
            "role_label": role.label,
            **{right: str(role.rights.get(right, 0)) for right in _ROLE_RIGHTS},
            "forms": _by_form(call, role.forms),
            "forms_export": _by_form(call, role.forms_export),
        }
        for role in call.project.roles.values()
    ]
    return call.table(rows, ROLE_KEYS, root="roles")


def user_dags(call: Call) -> Reply:
    """Answer which user is in which group."""
    rows = [{"username": user.username, "redcap_data_access_group": user.dag} for user in _sorted(call)]
    return call.table(rows, ("username", "redcap_data_access_group"), root="items")


def user_roles(call: Call) -> Reply:
    """Answer which user has which role."""
    rows = [
        {"username": user.username, "unique_role_name": user.role, "data_access_group": user.dag}
        for user in _sorted(call)
    ]
    return call.table(rows, ("username", "unique_role_name", "data_access_group"), root="items")
