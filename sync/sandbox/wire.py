"""Read requests and write replies in the bytes that REDCap uses: form bodies in, JSON, CSV or XML out."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sync.sandbox.errors import ApiError

JSON, CSV, XML, ODM = "json", "csv", "xml", "odm"
CONTENT_TYPES = {
    JSON: "application/json; charset=utf-8",
    CSV: "text/csv; charset=utf-8",
    XML: "text/xml; charset=utf-8",
    ODM: "text/xml; charset=utf-8",
}
HTML = "text/html; charset=utf-8"
XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>'
_DELIMITERS = {",": ",", "tab": "\t", "\t": "\t", ";": ";", "|": "|", "^": "^"}
_ARRAY = re.compile(r"^([^\[\]]+)\[([^\[\]]*)\]$")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_PART_NAME = re.compile(r'content-disposition:[^\r\n]*?[;\s]name="([^"]*)"', re.IGNORECASE)
_FILE_NAME = re.compile(r'content-disposition:[^\r\n]*?[;\s]filename="([^"]*)"', re.IGNORECASE)
_PART_TYPE = re.compile(r"content-type:\s*([\w.+-]+/[\w.+-]+)", re.IGNORECASE)
_FALSE = frozenset({"", "0", "false"})
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Hold one file part of a multipart request."""

    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Hold a request's parameters: plain ones, arrays (`x[0]=`, `x[]=`) and uploaded files."""

    plain: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """Return a plain parameter."""
        return self.plain.get(name, default)

    def flag(self, name: str) -> bool:
        """Read a Boolean: `true`, `True` and `1` are on, `false`, `0` and blank are off."""
        return self.get(name).strip().lower() not in _FALSE

    def items(self, name: str) -> list[str]:
        """Return an array, or a comma-separated scalar as one; empty where neither is given."""
        if name in self.arrays:
            return [value for value in self.arrays[name] if value != ""]
        return [part.strip() for part in self.get(name).split(",") if part.strip()]

    def is_array(self, name: str) -> bool:
        """Tell whether the parameter came as an array and not as a comma-separated scalar."""
        return name in self.arrays

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the allowed words; anything else is refused with 400 (a guess: `bad-option`)."""
        value = self.get(name, default) or default
        if value not in allowed:
            raise ApiError(400, f'The value of the parameter "{name}" is not valid')  # guess: bad-option
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number, None where the parameter is absent or blank; rubbish is refused."""
        value = self.get(name).strip()
        if not value:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            raise ApiError(400, f'The value of the parameter "{name}" is not valid')  # guess: bad-option
        return int(value)


def parse_body(content_type: str, body: bytes) -> Parameters:
    """Decode a form-urlencoded or multipart body; bytes that are no UTF-8 become replacement characters."""
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return _multipart(content_type, body)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200_000)
    except ValueError:
        raise ApiError(400, "The request holds too many parameters") from None
    return _sorted(pairs, {})


def _multipart(content_type: str, body: bytes) -> Parameters:
    found = _BOUNDARY.search(content_type)
    if found is None:
        return Parameters()
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    pairs: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    for part in (b"\r\n" + body).split(mark)[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        headers = head.decode("utf-8", "replace")
        name = _PART_NAME.search(headers)
        if not blank or name is None:
            continue
        filename = _FILE_NAME.search(headers)
        if filename is None:
            pairs.append((name[1], content.decode("utf-8", "replace")))
        else:
            kind = _PART_TYPE.search(headers)
            files[name[1]] = Upload(
                name=filename[1], mime=kind[1] if kind else "application/octet-stream", content=content
            )
    return _sorted(pairs, files)


def _sorted(pairs: Iterable[tuple[str, str]], files: Mapping[str, Upload]) -> Parameters:
    plain: dict[str, str] = {}
    arrays: dict[str, dict[str, str]] = {}
    for name, value in pairs:
        found = _ARRAY.match(name)
        if found is None:
            plain[name] = value
        else:
            slots = arrays.setdefault(found[1], {})
            slots[found[2] or f"[{len(slots)}]"] = value
    lists = {name: list(slots.values()) for name, slots in arrays.items()}
    return Parameters(plain=plain, arrays=lists, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold a finished answer."""

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def delimiter_of(name: str) -> str:
    """Return the character that `csvDelimiter` names."""
    if name and name not in _DELIMITERS:
        raise ApiError(400, 'The value of the parameter "csvDelimiter" is not valid')  # guess: bad-option
    return _DELIMITERS.get(name, ",")


def to_json(value: object) -> bytes:
    """Write JSON as PHP does: minified, `/` and everything outside ASCII escaped (a guess: `json-unicode`)."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))  # guess: json-unicode
    return text.replace("/", "\\/").encode("ascii")


def csv_cell_test(delimiter: str, *, spaces: bool = True) -> Callable[[str], object]:
    """Return a function that tells whether a text (one cell, or a row's) holds what must be quoted."""
    return re.compile(f'[{" " if spaces else ""}\t\r\n"\\\\{re.escape(delimiter)}]').search


def csv_cell_writer(delimiter: str, *, spaces: bool = True) -> Callable[[str], str]:
    """Return a function that quotes one cell the way PHP's `fputcsv` does; `spaces` off leaves blanks unquoted."""
    needs = csv_cell_test(delimiter, spaces=spaces)

    def write(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if cell and needs(cell) else cell

    return write


def to_csv(
    header: Sequence[str], rows: Iterable[Iterable[object]], delimiter: str = ",", *, spaces: bool = True
) -> bytes:
    """Write a header and rows of text or numbers as CSV with line feeds."""
    write = csv_cell_writer(delimiter, spaces=spaces)
    lines = [delimiter.join(write(name) for name in header)]  # guess: csv-no-rows
    needs = csv_cell_test(delimiter, spaces=spaces)
    for row in rows:
        cells = [cell if isinstance(cell, str) else str(cell) for cell in row]
        if needs("\x00".join(cells)):
            cells = [write(cell) for cell in cells]
        lines.append(delimiter.join(cells))
    return ("\n".join(lines) + "\n").encode("utf-8")


def to_xml(rows: Iterable[Row], *, root: str = "records", item: str = "item") -> bytes:
    """Write rows as XML: one element a key, its text in CDATA."""
    parts = [XML_HEAD, "\n", f"<{root}>"]
    for row in rows:
        parts.append(f"<{item}>")
        parts.extend(_element(key, value) for key, value in row.items())
        parts.append(f"</{item}>")
    parts.append(f"</{root}>")
    return "".join(parts).encode("utf-8")


def _element(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return f"<{key}>" + "".join(_element(inner, kept) for inner, kept in value.items()) + f"</{key}>"
    text = _NOT_XML.sub("", str(value)).replace("]]>", "]]]]><![CDATA[>")
    return f"<{key}><![CDATA[{text}]]></{key}>"


def table(
    rows: Sequence[Row], kind: str, *, header: Sequence[str], root: str = "records", delimiter: str = ","
) -> Reply:
    """Answer with a table in the asked format; `header` serves CSV, also where there are no rows."""
    if kind == JSON:
        body = to_json(rows)
    elif kind == CSV:
        cells = ([_flat(row.get(name, "")) for name in header] for row in rows)
        body = to_csv(header, cells, delimiter)
    else:
        body = to_xml(rows, root=root)
    return Reply(body=body, content_type=CONTENT_TYPES[kind])


def _flat(value: object) -> object:
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{kept}" for key, kept in value.items())
    return value


def text_reply(text: str, kind: str) -> Reply:
    """Answer with bare text under the content type of the format."""
    return Reply(body=text.encode("utf-8"), content_type=CONTENT_TYPES.get(kind, HTML))


def count_reply(count: int, kind: str) -> Reply:
    """Answer a change of structure with its bare count, in any format."""
    return text_reply(str(count), kind)


def error_reply(status: int, text: str, kind: str) -> Reply:
    """Answer with an error in the three shapes that clients know."""
    if kind == JSON:
        body = to_json({"error": text})
    elif kind == CSV:
        body = f"ERROR: {text}".encode()
    else:
        body = f"{XML_HEAD}<hash><error>{escaped(text)}</error></hash>".encode()
    return Reply(body=body, content_type=CONTENT_TYPES.get(kind, CONTENT_TYPES[XML]), status=status)


def escaped(text: str) -> str:
    """Escape text for the inside of an XML element."""
    return _NOT_XML.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
