"""Read the rows of a REDCap data dictionary as the API gives them."""

from collections.abc import Mapping, Sequence

from schemas.project import RedcapField


def metadata_from_rows(rows: Sequence[Mapping[str, str]]) -> tuple[RedcapField, ...]:
    """Read the rows of the API's ``content=metadata`` (JSON keys), in their order; absent keys are blank.

    Raises ValueError, with the row's number, where a row names no field or no form.
    """
    return tuple(_redcap_field(number, row) for number, row in enumerate(rows, start=1))


def _redcap_field(number: int, row: Mapping[str, str]) -> RedcapField:
    def text(key: str) -> str:
        return str(row.get(key) or "")

    def yes(key: str) -> bool:
        return text(key).strip().lower() in ("y", "yes", "1", "true")

    name, form = text("field_name").strip(), text("form_name").strip()
    if not name or not form:
        raise ValueError(f"row {number} of the data dictionary names no field or no form")
    return RedcapField(
        field_name=name,
        form_name=form,
        field_type=text("field_type").strip().lower(),
        field_label=text("field_label"),
        section_header=text("section_header"),
        select_choices_or_calculations=text("select_choices_or_calculations"),
        field_note=text("field_note"),
        text_validation_type=text("text_validation_type_or_show_slider_number").strip().lower(),
        text_validation_min=text("text_validation_min"),
        text_validation_max=text("text_validation_max"),
        identifier=yes("identifier"),
        branching_logic=text("branching_logic"),
        required_field=yes("required_field"),
        matrix_group_name=text("matrix_group_name"),
        field_annotation=text("field_annotation"),
    )
