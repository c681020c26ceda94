"""Answer imports and deletions of groups, users and roles."""

import secrets
from dataclasses import replace

from sync.sandbox import auditlog, naming, payload, wire
from sync.sandbox.call import Call
from sync.sandbox.contents.changes import need_import
from sync.sandbox.contents.structure import check_names
from sync.sandbox.dictionary import Dag
from sync.sandbox.errors import ApiError
from sync.sandbox.payload import TextRow
from sync.sandbox.people import RIGHTS, Role, User
from sync.sandbox.wire import Reply

_NO_USERS = "You do not have User Rights privileges"  # guess: people-texts
_NO_GROUPS = "You do not have Data Access Groups privileges"  # guess: people-texts
_ROLE_LETTERS = "ACDEFHJKLMNPRTWXY34789"


def _rows(call: Call, right: str, refusal: str) -> list[TextRow]:
    need_import(call)
    call.need(right, refusal)
    return payload.read_rows(call.parameters.get("data"), call.format)


def _done(call: Call, count: int) -> Reply:
    call.project.changes.structure = True
    return wire.count_reply(count, call.return_format)


def dags(call: Call) -> Reply:
    """Add groups (blank unique name) or rename them; answers their number."""
    rows = _rows(call, "data_access_groups", _NO_GROUPS)
    kept = list(call.project.structure.dags)
    number = max((dag.dag_id for dag in kept), default=call.project.settings.project_id * 1000 + 500)
    for row in rows:
        name, unique = row.get("data_access_group_name", "").strip(), row.get("unique_group_name", "").strip()
        if not name:
            raise ApiError(400, "The 'data_access_group_name' is missing")  # guess: people-texts
        if unique:
            check_names("unique_group_name", [unique], {dag.unique_name for dag in kept})
            kept = [replace(dag, name=name) if dag.unique_name == unique else dag for dag in kept]
            continue
        number += 1
        slug = naming.unique_names([*(dag.unique_name for dag in kept), name])[-1]
        kept.append(Dag(dag_id=number, name=name, unique_name=slug))
    call.project.structure = replace(call.project.structure, dags=tuple(kept))
    return _done(call, len(rows))


def delete_dags(call: Call) -> Reply:
    """Delete groups; their records and users are then in none. Answers the number of groups."""
    need_import(call)
    call.need("data_access_groups", _NO_GROUPS)
    given, structure = call.parameters.items("dags"), call.project.structure
    check_names("dags", given, set(structure.dag_by_name))
    for record in call.project.records:
        if record.dag in given:
            record.dag = ""
            call.project.changes.records.add(record.name)
    for user in list(call.project.users.values()):
        if user.dag in given:
            call.project.users[user.username] = replace(user, dag="")
    call.project.structure = replace(
        structure, dags=tuple(dag for dag in structure.dags if dag.unique_name not in given)
    )
    return _done(call, len(given))


def switch_dag(call: Call) -> Reply:
    """Put the token's own user into another group; answers 1."""
    wanted = call.parameters.get("dag")
    check_names("dag", [wanted] if wanted else [], set(call.project.structure.dag_by_name))
    user = call.access.user
    call.project.users[user.username] = replace(user, dag=wanted)
    return _done(call, 1)


def user_dags(call: Call) -> Reply:
    """Put users into groups (blank: none); answers the number of rows."""
    rows = _rows(call, "data_access_groups", _NO_GROUPS)
    check_names("username", [row.get("username", "") for row in rows], set(call.project.users))
    wanted = [row.get("redcap_data_access_group", "") for row in rows]
    check_names("redcap_data_access_group", [dag for dag in wanted if dag], set(call.project.structure.dag_by_name))
    for row, dag in zip(rows, wanted, strict=True):
        call.project.users[row["username"]] = replace(call.project.users[row["username"]], dag=dag)
    call.note(auditlog.MANAGE, "Import User-DAG assignments (API)")
    return _done(call, len(rows))


def _rights(row: TextRow) -> dict[str, int]:
    return {right: given for right in RIGHTS if (given := naming.whole(row.get(right, ""))) is not None}


def _by_form(text: str) -> dict[str, int]:
    """Read `form1:1,form2:0`, or what is left of a JSON object of the same."""
    out = {}
    for part in text.strip("{} ").replace('"', "").split(","):
        form, colon, right = part.partition(":")
        if colon and (given := naming.whole(right.strip())) is not None:
            out[form.strip()] = given
    return out


def users(call: Call) -> Reply:
    """Add users or change their rights; answers the number of rows."""
    rows = _rows(call, "user_rights", _NO_USERS)
    structure = call.project.structure
    check_names(
        "data_access_group",
        [row["data_access_group"] for row in rows if row.get("data_access_group")],
        set(structure.dag_by_name),
    )
    for row in rows:
        name = row.get("username", "").strip()
        if not name:
            raise ApiError(400, "The 'username' is missing")  # guess: people-texts
        old = call.project.users.get(name) or User(username=name, rights=dict.fromkeys(RIGHTS, 0))
        call.project.users[name] = replace(
            old,
            email=row.get("email", old.email),
            expiration=row.get("expiration", old.expiration),
            dag=row.get("data_access_group", old.dag),
            rights={**old.rights, **_rights(row)},
            forms={**old.forms, **_by_form(row.get("forms", ""))},
            forms_export={**old.forms_export, **_by_form(row.get("forms_export", ""))},
        )
        call.note(f"Add/edit user {name}", f"user = '{name}'", kind="user")
    return _done(call, len(rows))


def delete_users(call: Call) -> Reply:
    """Take users out of the project; answers their number."""
    need_import(call)
    call.need("user_rights", _NO_USERS)
    given = call.parameters.items("users")
    check_names("users", given, set(call.project.users))
    for name in given:
        del call.project.users[name]
    return _done(call, len(given))


def roles(call: Call) -> Reply:
    """Add roles (blank unique name) or change them; answers the number of rows."""
    rows = _rows(call, "user_rights", _NO_USERS)
    for row in rows:
        unique = row.get("unique_role_name", "").strip()
        check_names("unique_role_name", [unique] if unique else [], set(call.project.roles))
        unique = unique or "U-" + "".join(secrets.choice(_ROLE_LETTERS) for _ in range(10))
        old = call.project.roles.get(unique) or Role(unique_name=unique, label="", rights=dict.fromkeys(RIGHTS, 0))
        label = row.get("role_label", old.label)
        call.project.roles[unique] = replace(
            old,
            label=label,
            rights={**old.rights, **_rights(row)},
            forms={**old.forms, **_by_form(row.get("forms", ""))},
            forms_export={**old.forms_export, **_by_form(row.get("forms_export", ""))},
        )
        call.note("Edit user role", f"role = '{label}'", kind="user")
    return _done(call, len(rows))


def delete_roles(call: Call) -> Reply:
    """Delete roles; their users keep their own rights. Answers the number of roles."""
    need_import(call)
    call.need("user_rights", _NO_USERS)
    given = call.parameters.items("roles")
    check_names("roles", given, set(call.project.roles))
    for name in given:
        del call.project.roles[name]
    for user in list(call.project.users.values()):
        if user.role in given:
            call.project.users[user.username] = replace(user, role="")
    return _done(call, len(given))


def user_roles(call: Call) -> Reply:
    """Give users a role (blank: none); answers the number of rows."""
    rows = _rows(call, "user_rights", _NO_USERS)
    check_names("username", [row.get("username", "") for row in rows], set(call.project.users))
    wanted = [row.get("unique_role_name", "") for row in rows]
    check_names("unique_role_name", [role for role in wanted if role], set(call.project.roles))
    for row, role in zip(rows, wanted, strict=True):
        user = call.project.users[row["username"]]
        call.project.users[user.username] = replace(user, role=role, dag=row.get("data_access_group", user.dag))
    return _done(call, len(rows))
