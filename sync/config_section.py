"""Hold what every section of the configuration has in common."""

from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo


def resolved(path: Path, info: ValidationInfo) -> Path:
    """Resolve a relative path against the folder of the configuration file."""
    folder = (info.context or {}).get("folder")
    return path if folder is None else folder / path.expanduser()


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""

RelativePath = Annotated[Path, pydantic.AfterValidator(resolved)]


class Section(BaseModel):
    """Refuse unknown keys, stay as read, and never show what was read in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
