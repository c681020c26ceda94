"""The one error that reading logic can end in, with the place to put the finger on."""


class LogicSyntaxError(ValueError):
    """Report that a text is not REDCap logic: `message` in plain words, and where.

    `position` is the 0-based character offset, `line` and `column` count from 1 and are what an editor
    shows. The message quotes logic, which belongs to the study's definition, and never a patient's value.
    """

    def __init__(self, message: str, *, text: str, position: int) -> None:
        """Work out line and column of `position` in `text`."""
        before = text[:position]
        self.message = message
        self.position = position
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {message}")
