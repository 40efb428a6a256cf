"""Themes: a few choices of a tenant become every colour of the web face, light and dark, with readable contrast by construction.

`tokens` reads and checks a token file, `palette` derives and audits the colours, `stylesheet` writes them as CSS variables.
"""

from trophenix_kernel.themes.palette import Measured, Palette, audit, derive
from trophenix_kernel.themes.stylesheet import FontFile, Stylesheet, stylesheet
from trophenix_kernel.themes.tokens import Choices, ThemeFault, default_choices, read_tokens

__all__ = [
    "Choices",
    "FontFile",
    "Measured",
    "Palette",
    "Stylesheet",
    "ThemeFault",
    "audit",
    "default_choices",
    "derive",
    "read_tokens",
    "stylesheet",
]
