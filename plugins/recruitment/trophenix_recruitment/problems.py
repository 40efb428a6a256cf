"""Why a file, a document or a mapping as a whole is refused; rows have problems of their own."""

from typing import ClassVar


class ImportRefused(Exception):
    """An import cannot go on; ``code`` is stable and tells why.

    Attributes:
        found: What was found, in words.
        expected: What was expected.
        next_step: What the person who imports can do.
        line: Line of the file where it was found, when there is one.
    """

    http_status: ClassVar[int] = 422

    def __init__(
        self, code: str, found: str, expected: str, next_step: str, *, line: int | None = None
    ) -> None:
        self.code = code
        self.found = found
        self.expected = expected
        self.next_step = next_step
        self.line = line
        where = "" if line is None else f" in line {line}"
        super().__init__(f"found {found}{where}, expected {expected}: {next_step}")


class FileRefused(ImportRefused):
    """The file cannot be read as a list of athletes."""


class FileTooLarge(FileRefused):
    """The file passes one of the limits: a smaller file can be tried."""

    http_status: ClassVar[int] = 413


class MappingRefused(ImportRefused):
    """The mapping does not fit the file; every reason is in ``reasons``."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__(
            "mapping.refused",
            f"a mapping that cannot be applied ({'; '.join(reasons)})",
            "a mapping that fits the file's columns",
            "correct the mapping, or ask for a new suggestion.",
        )
