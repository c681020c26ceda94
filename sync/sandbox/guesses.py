"""List every behaviour that no recording backs: what was chosen, so that nobody takes it for REDCap's own.

Each key stands in a comment `guess: <key>` where the code decides; a test holds the two together.
"""

from dataclasses import dataclass

_OWN_WORDS = "the status is documented, the wording is the sandbox's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Hold one open point: its key, its subject and what was chosen."""

    key: str
    subject: str
    chosen: str


_CHOICES: dict[str, tuple[str, str]] = {
    # bytes
    "json-unicode": ("non-ASCII characters in JSON", "escaped as \\uXXXX"),
    "csv-no-rows": ("CSV of an export without rows", "the header alone"),
    "xml-roots": ("names of the outer XML elements besides <records>", "the plural of the content, or <items>"),
    "xml-ids": ("XML body of an import with returnContent=ids", "<ids><id>…</id></ids>"),
    "auto-ids-shape": ("body of an import with returnContent=auto_ids", '"new,given" pairs in JSON and CSV'),
    "background-shape": ("success body of backgroundProcess", '{"success":true}; the import is done at once'),
    "rate-limit": ("limit of requests a minute, and what a ban shows", "off; a ban lasts until lifted, status 200"),
    "bad-option": ("an option outside its documented values", "400 'The value of the parameter … is not valid'"),
    # names and ids
    "duplicate-slug": ("unique names of events or groups that collide", "a letter a, b, … is appended"),
    "dag-id-type": ("JSON type of data_access_group_id in content=dag", "a number"),
    "unknown-arm": ("an unknown number in arms", "400, as for fields and forms"),
    "unknown-field-name": ("an unknown name in exportFieldNames' field", "400, as for fields and forms"),
    "bad-events-text": ("an unknown name in events", "400, as for fields and forms"),
    # exports
    "row-subset": (
        "rows of an export of some fields only",
        "repeat rows show where a column of theirs is asked for; an event left without any has a bare base row "
        "where the id is asked for; without the id, rows that hold no asked form are left out",
    ),
    "eav-id-rows": ("rows of EAV that hold the record id", "one for each row that is no repeating instrument's"),
    "eav-groups": ("exportDataAccessGroups in EAV", "a row redcap_data_access_group for each such row"),
    "hashed-ids": (
        "when record ids are hashed",
        "where any form's export right is de-identified (2), or 3 and the record id is an identifier",
    ),
    "report-rows": (
        "a report's ordering, groups filter and repeating columns",
        "ordered as texts and numbers by up to three fields; groups by unique name; repeat columns always shown",
    ),
    "bare-field": ("a bare field in filterLogic on a row that cannot hold it", "blank"),
    "blank-order": ("a blank compared by < <= > >=", "false, unless both are blank"),
    "dag-no-change": ("a group change and dateRangeBegin", "no change of data"),
    "lock-no-change": ("locking and dateRangeBegin", "no change of data"),
    # imports
    "json-null": ("null in a JSON import", "a blank, so it erases under overwrite"),
    "range-import": ("values beyond min and max", "accepted without a word"),
    "import-status": ("status of a form that gets data without one", "Incomplete (0) is stored"),
    "calc-import": ("values for calculated fields", "passed over and recomputed; @READONLY fields are imported"),
    "file-import": ("values for file fields", "passed over"),
    "repeat-event-default": ("a row of a repeating event without instance", "instance 1"),
    # log
    "load-log": ("log and change time of records that came with a project XML", "created when the XML was loaded"),
    # Data Quality API module
    "module-off": ("a module that is not enabled in the project", "200 with an HTML sentence"),
    "empty-status-id": ("a thread without numeric status_id, where the module's SQL is malformed", "500"),
    "query-users": ("whose user names the module knows", "those of the project; others become null"),
    "query-time": ("a resolution whose ts is no date-time", "passed over, as by a refusing database"),
    # project XML
    "xml-names": (
        "redcap:MatrixRanking and redcap:FormattedTranslatedText",
        "read and written by these names, which no recorded file at hand holds, only other readers of such files",
    ),
    "xml-rules": ("Data Quality rules in a project XML", "not interpreted; written back as they came"),
    # drawn instead of known
    "participants": ("who is in participantList", "every record with data in the event, with the survey's status"),
    "survey-shapes": ("survey links and codes", "derived from record and form; nothing answers there"),
    "pdf-page": ("content=pdf", "one page with the forms' names"),
} | {
    key: (subject, _OWN_WORDS)
    for key, subject in {
        "no-file-text": "no file stored in a field (text as clients expect it)",
        "date-error-text": "second sentence of 'Invalid date format. …'",
        "bad-logic-text": "filterLogic that cannot be read or computed",
        "bad-data-text": "import data that cannot be read",
        "no-id-text": "import without the record id column",
        "record-name-text": "a record name that is blank or too long",
        "create-right-text": "new records without the right to create them",
        "other-dag-text": "an import into another group's record",
        "bad-dag-text": "an unknown group in an import",
        "bad-instance-text": "a repeat instance that is no number",
        "base-on-repeat-text": "a base form's field in a repeating instrument's row",
        "no-records-text": "a deletion without records",
        "no-event-text": "a deletion of a form without event",
        "no-record-text": "a record that does not exist",
        "rename-texts": "a renaming that cannot be done",
        "no-export-text": "an export without the right",
        "no-logging-text": "the log without the right",
        "no-upload-text": "a file import without a file",
        "folder-texts": "folders of the File Repository",
        "repository-right-text": "the File Repository without the right",
        "design-right-text": "design imports without the right",
        "design-texts": "design imports that make no sense",
        "people-texts": "users, roles and groups that make no sense",
        "report-texts": "an unknown report",
        "survey-texts": "a form that is no survey",
        "randomize-texts": "a randomization that cannot be done",
        "create-texts": "a project that cannot be created",
    }.items()
}

REGISTER: tuple[Guess, ...] = tuple(
    Guess(key=key, subject=subject, chosen=chosen) for key, (subject, chosen) in _CHOICES.items()
)


def rows() -> list[dict[str, str]]:
    """Return the register as plain rows."""
    return [{"key": guess.key, "subject": guess.subject, "chosen": guess.chosen} for guess in REGISTER]
