"""What a column can become, in words for people."""

from typing import Final

from trophenix_recruitment.choosing import word_of
from trophenix_recruitment.mapping import ColumnMapping
from trophenix_sdk.i18n import Text, gettext_lazy

_ = gettext_lazy("recruitment")

_LABELS: Final[dict[str, Text]] = {
    "family_name": _("Family name"),
    "given_name": _("Given name"),
    "full_name": _("Whole name"),
    "sex": _("Sex"),
    "female_flag": _("Woman (yes or no)"),
    "birth": _("Birth date"),
    "country": _("Nationality"),
    "country_system": _("Code system of the nationality"),
    "sport": _("Sport"),
    "ranking": _("Ranking"),
    "height:cm": _("Height in cm"),
    "height:m": _("Height in m"),
    "height:in": _("Height in inches"),
    "weight:kg": _("Weight in kg"),
    "weight:lb": _("Weight in pounds"),
    "position": _("Position"),
    "club": _("Club"),
    "external_id:licence": _("Licence"),
    "external_id": _("Identifier, named as the column"),
    "external_ids": _("Several identifiers"),
    "visibility": _("Visibility"),
    "attribute": _("Further detail, kept as it is"),
    "attributes": _("Several further details"),
}


def targets() -> dict[str, Text]:
    """Every word a column may be taken for, with its label."""
    return dict(_LABELS)


def label_of(column: ColumnMapping) -> Text:
    """The label of a word that is not among the usual ones."""
    detail = {"detail": column.detail or ""}
    match column.target:
        case "external_id":
            return _("Identifier: %(detail)s") % detail
        case "position_flag":
            return _("Plays as: %(detail)s") % detail
        case "attribute":
            return _("Further detail: %(detail)s") % detail
        case _:
            return word_of(column)
