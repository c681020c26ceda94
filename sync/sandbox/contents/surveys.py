"""Answer survey links, codes and participants, and a one-page PDF of a form."""

import hashlib

from sync.sandbox import wire
from sync.sandbox.call import Call
from sync.sandbox.contents.structure import check_names
from sync.sandbox.dictionary import Form
from sync.sandbox.errors import ApiError
from sync.sandbox.wire import Reply

PARTICIPANT_KEYS = (
    "email", "email_occurrence", "identifier", "record", "invitation_sent_status", "invitation_send_time",
    "response_status", "survey_access_code", "survey_link",
)  # fmt: skip
_LETTERS = "ACDEFHJKLMNPRTWXY34789"


def _survey(call: Call) -> Form:
    structure = call.project.structure
    form = structure.form_by_name.get(call.parameters.get("instrument"))
    if form is None or not form.survey:
        raise ApiError(400, "The instrument does not exist or is not enabled as a survey")  # guess: survey-texts
    event = call.parameters.get("event")
    check_names("event", [event] if event and structure.longitudinal else [], set(structure.event_by_name))
    return form


def _record(call: Call) -> str:
    name = call.parameters.get("record")
    record = call.project.records.get(name)
    if record is None or call.access.user.dag not in ("", record.dag):
        raise ApiError(400, f"The record '{name}' does not exist")  # guess: no-record-text
    return name


def _code(call: Call, length: int, *parts: str) -> str:
    seed = "/".join([str(call.project.settings.project_id), *parts])
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:length])


def _link(call: Call, form: Form, record: str) -> str:
    place = (call.parameters.get("event"), call.parameters.get("repeat_instance", "1"))
    return f"{call.base_url}/surveys/?s={_code(call, 16, form.name, record, *place)}"  # guess: survey-shapes


def link(call: Call) -> Reply:
    """Answer the link of one record's survey as bare text."""
    return wire.text_reply(_link(call, _survey(call), _record(call)), call.return_format)


def queue_link(call: Call) -> Reply:
    """Answer the link of one record's survey queue as bare text."""
    return wire.text_reply(f"{call.base_url}/surveys/?sq={_code(call, 16, 'queue', _record(call))}", call.return_format)


def access_code(call: Call) -> Reply:
    """Answer the access code of one record's survey as bare text."""
    return wire.text_reply(_code(call, 9, "access", _survey(call).name, _record(call)), call.return_format)


def return_code(call: Call) -> Reply:
    """Answer the return code of one record's survey as bare text."""
    return wire.text_reply(_code(call, 8, "return", _survey(call).name, _record(call)), call.return_format)


def participants(call: Call) -> Reply:
    """Answer the participants of a survey: the records that have data in its event."""
    form = _survey(call)
    stamp = f"{form.name}_timestamp"
    event = call.parameters.get("event") if call.project.structure.longitudinal else ""
    rows: list[dict[str, object]] = []
    for record in call.project.records:
        here = [cells for key, cells in record.rows.items() if event in ("", key[0])]
        if not here or call.access.user.dag not in ("", record.dag):
            continue  # guess: participants
        stamps = [cells[stamp] for cells in here if stamp in cells]
        done = 0 if not stamps else 1 if "[not completed]" in stamps else 2
        values = ("", "1", "", record.name, 0, "", done, _code(call, 9, "access", form.name, record.name))
        rows.append(dict(zip(PARTICIPANT_KEYS, (*values, _link(call, form, record.name)), strict=True)))
    return call.table(rows, PARTICIPANT_KEYS)


def pdf(call: Call) -> Reply:
    """Answer a one-page PDF that names the forms asked for; it draws no data (guess: pdf-page)."""
    structure = call.project.structure
    wanted = call.parameters.get("instrument")
    check_names("instrument", [wanted] if wanted else [], set(structure.form_by_name))
    shown = [form.label for form in structure.forms if wanted in ("", form.name)]
    return Reply(body=_page(shown), content_type='application/pdf; name="forms.pdf"; charset=UTF-8')


def _page(lines: list[str]) -> bytes:
    plain = [line.encode("ascii", "replace").decode().translate({40: " ", 41: " ", 92: " "}) for line in lines]
    drawn = "".join(f"BT /F1 12 Tf 72 {720 - 18 * index} Td ({line}) Tj ET\n" for index, line in enumerate(plain[:35]))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(drawn)} >>\nstream\n{drawn}endstream",
    ]
    text, offsets = "%PDF-1.3\n", dict.fromkeys(range(1, len(objects) + 1), 0)
    for number in (3, 4, 1, 2):  # the page first, as the recorded ones have it
        offsets[number] = len(text)
        text += f"{number} 0 obj\n{objects[number - 1]}\nendobj\n"
    start = len(text)
    text += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    text += "".join(f"{offset:010d} 00000 n \n" for offset in offsets.values())
    text += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return text.encode("ascii")
