"""Hold the error texts that clients compare against, word for word."""

from collections.abc import Iterable

NO_API = "You do not have permissions to use the API"
NO_IMPORT = "You do not have API Import/Update privileges"
NO_EXPORT = "You do not have API Export privileges"  # guess: no-export-text
NO_DELETE = "You do not have Delete Record privileges"
NO_EXPORT_DAG = (
    "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' "
    "privileges in the project."
)
INACTIVE = "Data may not be imported because the project is in Inactive/Archived status."
BAD_CONTENT = 'The value of the parameter "content" is not valid'
CLASSIC_ARMS = "You cannot export arms for classic projects"
CLASSIC_EVENTS = "You cannot export events for classic projects"
CLASSIC_MAPPING = "You cannot export form/event mappings for classic projects"
NO_REPEATS = (
    "You cannot export repeating instruments and events because the project does not contain any "
    "repeating instruments and events"
)
NO_FILE = "There is no file to download for this record"  # guess: no-file-text
PURPOSE_OTHER = "You must provide some text for 'purpose_other' since you specified 'purpose' as '1' (Other)."
OUT_OF_MEMORY = (
    "REDCap ran out of server memory. The request cannot be processed. Please try importing/exporting a "
    "smaller amount of data."
)
NOT_CATEGORY = "The value is not a valid category for {field}"
BAD_FORMAT = (
    "The value you provided could not be validated because it does not follow the expected format. Please try again."
)
BAD_DATE = "Invalid date format. Please use the format {form}."  # guess: date-error-text
LOCKED = "This field is located on a form that is locked. You must first unlock this form for this record."
NOT_DESIGNATED = (
    "This field ('{field}') exists on an instrument that is not designated for the event named '{event}'. "
    "You are not allowed to import data for this field into this event."
)
NOT_REPEAT_FORM = (
    "redcap_repeat_instrument must be the unique form name of a Repeating Instrument. It currently does not "
    "match the unique form name of any Repeating Instruments.  Please fix this in the data import file and "
    "try again."
)
NOT_REPEATING = (
    "redcap_repeat_instance cannot have a value since this instrument or event is not a repeating instrument "
    "or repeating event, respectively.  The redcap_repeat_instance field must be left blank for this row of "
    "data."
)
NEEDS_REPEAT = (
    "This field ('{field}') exists on a Repeating Instrument named '{form}'. However, the fields "
    "'redcap_repeat_instance' and/or 'redcap_repeat_instrument' for this row of data have no value, which are "
    "both required for importing data into a Repeating Instrument.  You are not allowed to import data for "
    "this field into a non-repeating instrument."
)


class ApiError(Exception):
    """Refuse a request the way REDCap does: an HTTP status and a text that is shown to the client."""

    def __init__(self, status: int, text: str) -> None:
        """Keep `status` (400, 403, 404, 501 …) and the text."""
        super().__init__(text)
        self.status = status
        self.text = text


def invalid_values(parameter: str, values: Iterable[str]) -> ApiError:
    """Refuse unknown names in an array parameter, all of them at once."""
    listed = ", ".join(f"'{value}'" for value in values)
    return ApiError(400, f'The following values in the parameter "{parameter}" are not valid: {listed}')
