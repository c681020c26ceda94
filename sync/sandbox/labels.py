"""Turn codes into labels and column names into label headers."""

from collections.abc import Callable, Mapping

from sync.sandbox.dictionary import STATUS_CHOICES, Column, Structure

_PSEUDO_HEADERS = {
    "redcap_event_name": "Event Name",
    "redcap_repeat_instrument": "Repeat Instrument",
    "redcap_repeat_instance": "Repeat Instance",
    "redcap_data_access_group": "Data Access Group",
    "redcap_survey_identifier": "Survey Identifier",
}
_STATUS = dict(STATUS_CHOICES)
_BOXES = {"1": "Checked", "0": "Unchecked"}


def value_labels(structure: Structure, column: Column, *, checkbox_labels: bool) -> Mapping[str, str] | None:
    """Map the codes of a column to labels, None where its values are no codes."""
    if column.kind == "status":
        return _STATUS
    if column.kind not in ("checkbox", "value"):
        return None
    field = structure.field_by_name[column.field]
    if column.kind == "checkbox":
        if not checkbox_labels:
            return _BOXES
        choices = dict(field.choices) | dict(structure.missing_codes)
        return {"1": choices.get(column.code, column.code), "0": ""}
    if not field.choices:
        return dict(structure.missing_codes) or None
    return dict(field.choices) | dict(structure.missing_codes)


def header_writer(structure: Structure) -> Callable[[str], str]:
    """Return a function that gives the label header of a flat column; labels may repeat."""

    def header(name: str) -> str:
        if name in _PSEUDO_HEADERS:
            return _PSEUDO_HEADERS[name]
        column = structure.column_by_name.get(name)
        if column is None:
            return "Survey Timestamp" if name.endswith("_timestamp") else name
        if column.kind == "status":
            return "Complete?"
        field = structure.field_by_name[column.field]
        if column.kind != "checkbox":
            return field.field_label
        choices = dict(field.choices) | dict(structure.missing_codes)
        return f"{field.field_label} (choice={choices.get(column.code, column.code)})"

    return header
