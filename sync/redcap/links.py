"""Build the addresses of forms in a site's REDCap, so that a query leads to the page where it is answered.

The path holds the server's version, so links are built when they are sent, not stored. Record ids are part of the
address (REDCap's own form of it); nothing else of a record is.
"""

from functools import lru_cache
from urllib.parse import quote_plus

from schemas.project import ProjectStructure


def base_url(api_url: str) -> str:
    """Give the address of a REDCap from that of its API: ``https://host/redcap/api/`` → ``https://host/redcap/``."""
    return api_url.removesuffix("api/")


def form_link(
    base: str,
    structure: ProjectStructure,
    *,
    record: str,
    event: str = "",
    instrument: str,
    instance: int | None = None,
) -> str:
    """Give the address of one form of one record.

    ``event`` is the site's unique event name ("" in a classic project), ``instance`` None where nothing repeats.
    An event that the project does not have (any more) is left out; REDCap then asks the reader to choose.
    """
    event_id = next((each.event_id for each in structure.events if each.unique_name == event), None)
    parameters: dict[str, int | str | None] = {
        "pid": structure.project_id,
        "page": instrument,
        "id": record,
        "event_id": event_id,
        "instance": instance,
    }
    return _page(base, structure, "DataEntry/index.php", parameters)


def record_link(base: str, structure: ProjectStructure, *, record: str, arm: int | None = None) -> str:
    """Give the address of a record's home page."""
    parameters: dict[str, int | str | None] = {"pid": structure.project_id, "arm": arm, "id": record}
    return _page(base, structure, "DataEntry/record_home.php", parameters)


def codebook_link(base: str, structure: ProjectStructure) -> str:
    """Give the address of a project's codebook."""
    return _page(base, structure, "Design/data_dictionary_codebook.php", {"pid": structure.project_id})


def _page(base: str, structure: ProjectStructure, page: str, parameters: dict[str, int | str | None]) -> str:
    known = "&".join(f"{key}={_quoted(str(value))}" for key, value in parameters.items() if value is not None)
    return f"{base}redcap_v{structure.redcap_version}/{page}?{known}"


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """Quote one value; a list of queries names the same project, forms and events over and over."""
    return quote_plus(text)
