"""Refusals of the reading half in the platform's words."""

from trophenix_recruitment.problems import FileTooLarge, ImportRefused, MappingRefused
from trophenix_sdk.errors import FieldProblem, Invalid, TooLarge, TrophenixError


def refusal(refused: ImportRefused, pointer: str = "/file") -> TrophenixError:
    """The error that says the same to callers; *pointer* is the place of the input it is about."""
    where = "" if refused.line is None else f" in line {refused.line}"
    detail = f"Found {refused.found}{where}; expected {refused.expected}."
    next_step = refused.next_step[:1].upper() + refused.next_step[1:]
    if isinstance(refused, FileTooLarge):
        return TooLarge(detail, next_step=next_step, code=refused.code)
    if isinstance(refused, MappingRefused):
        place = "/mapping" if pointer == "/file" else pointer
        problems = tuple(FieldProblem(place, refused.code, said) for said in refused.reasons)
    else:
        problems = (FieldProblem(pointer, refused.code, detail),)
    return Invalid(detail, next_step=next_step, problems=problems, code=refused.code)
