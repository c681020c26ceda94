"""Name what can be wrong with a study, by what its author should do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Say what is wrong at one place of a study and how to put it right. Holds no patient data."""

    #: file relative to the study folder; "" for a study that was not read from files
    file: str
    #: ``field[creat].hard``; "" for the file as a whole
    key: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        """Write the problem as one line."""
        place = ": ".join(part for part in (self.file, self.key) if part)
        return f"{place}: {self.wrong}. {self.remedy}" if place else f"{self.wrong}. {self.remedy}"


class StudyError(Exception):
    """Refuse a study; its author corrects every problem listed and loads it again."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Take all problems found, each one line with file, key path, what is wrong and the remedy."""
        self.problems = problems
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"the study has {len(problems)} problem(s):\n{lines}")
