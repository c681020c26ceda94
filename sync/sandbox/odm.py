"""Name the parts of REDCap's project XML (CDISC ODM 1.3.1 with extensions) for its reader and its writer."""

from collections.abc import Iterable

ODM = "http://www.cdisc.org/ns/odm/v1.3"
REDCAP = "https://projectredcap.org"

#: XML field type → dictionary field type, where the two differ
FIELD_TYPES = {"textarea": "notes", "select": "dropdown"}
#: XML validation → dictionary validation, where the two differ
VALIDATIONS = {
    "int": "integer",
    "float": "number",
    "date": "date_ymd",
    "datetime": "datetime_ymd",
    "datetime_seconds": "datetime_seconds_ymd",
}
#: XML attribute of an ItemDef → dictionary key
ITEM_ATTRIBUTES = {
    "FieldNote": "field_note",
    "SectionHeader": "section_header",
    "BranchingLogic": "branching_logic",
    "RequiredField": "required_field",
    "Identifier": "identifier",
    "CustomAlignment": "custom_alignment",
    "QuestionNumber": "question_number",
    "MatrixGroupName": "matrix_group_name",
    "MatrixRanking": "matrix_ranking",  # guess: xml-names
    "FieldAnnotation": "field_annotation",
}
#: XML global → settings name; whole numbers are those of NUMERIC
GLOBALS = {
    "RecordAutonumberingEnabled": "autonumbering",
    "CustomRecordLabel": "custom_record_label",
    "SecondaryUniqueField": "secondary_unique_field",
    "SchedulingEnabled": "scheduling_enabled",
    "SurveysEnabled": "surveys_enabled",
    "RandomizationEnabled": "randomization",
    "DisplayTodayNowButton": "today_now_button",
    "Purpose": "purpose",
    "PurposeOther": "purpose_other",
    "ProjectNotes": "notes",
    "MissingDataCodes": "missing_data_codes",
    "DataResolutionWorkflowEnabled": "data_resolution",
}
NUMERIC = frozenset(
    {
        "autonumbering",
        "scheduling_enabled",
        "surveys_enabled",
        "randomization",
        "today_now_button",
        "purpose",
        "data_resolution",
    }
)
#: attribute of a UserRoles element → right, where the two differ
ROLE_RIGHTS = {
    "lock_record_multiform": "lock_records_all_forms",
    "lock_record": "lock_records",
    "lock_record_customize": "lock_records_customization",
    "graphical": "stats_and_charts",
    "participants": "manage_survey_participants",
    "data_logging": "logging",
    "data_quality_design": "data_quality_create",
}
#: attributes of a UserRoles element in the order of recorded ones
ROLE_ORDER = (
    "role_name", "unique_role_name", "lock_record", "lock_record_multiform", "lock_record_customize",
    "data_export_tool", "data_export_instruments", "data_import_tool", "data_comparison_tool", "data_logging",
    "email_logging", "file_repository", "double_data", "user_rights", "data_access_groups", "graphical", "reports",
    "design", "alerts", "calendar", "data_entry", "api_export", "api_import", "api_modules", "mobile_app",
    "mobile_app_download_data", "record_create", "record_rename", "record_delete", "dts", "participants",
    "data_quality_design", "data_quality_execute", "data_quality_resolution", "random_setup", "random_dashboard",
    "random_perform", "realtime_webservice_mapping", "realtime_webservice_adjudicate", "external_module_config",
    "mycap_participants",
)  # fmt: skip
#: attributes of a UserRoles element that are read as something else than a right
ROLE_KEYS = frozenset({"role_name", "unique_role_name", "data_entry", "data_export_instruments"})
#: pseudo items that hold data and are no fields of the dictionary
DAG_ITEM = "redcap_data_access_group"
SURVEY_ID_ITEM = "redcap_survey_identifier"

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;", "\r": "&#13;", "\t": "&#9;"}
)
_FORBIDDEN = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


class ProjectXmlError(ValueError):
    """Refuse a file that is not a project XML, or whose dictionary cannot be."""


def std(name: str) -> str:
    """Write a name of ODM itself the way ElementTree does."""
    return f"{{{ODM}}}{name}"


def ext(name: str) -> str:
    """Write a name of REDCap's extension the way ElementTree does."""
    return f"{{{REDCAP}}}{name}"


def back(mapping: dict[str, str]) -> dict[str, str]:
    """Turn one of the tables around, for the writer."""
    return {value: key for key, value in mapping.items()}


def escape(text: str) -> str:
    """Escape text for attributes and elements; line feeds stay raw, as REDCap leaves them."""
    return text.translate(_FORBIDDEN).translate(_ESCAPES)


def attributes(pairs: Iterable[tuple[str, str]]) -> str:
    """Write attributes, each after a space."""
    return "".join(f' {name}="{escape(value)}"' for name, value in pairs)
