"""A theme as a style sheet of CSS variables, addressed by its content so that it may be kept for ever.

Colours are written as hex: scanners and kiosks with old browsers, mail programs and the PDF writer read nothing newer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from trophenix_kernel.themes.palette import derive
from trophenix_kernel.themes.tokens import Choices

_SYSTEM: Final = (
    'ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans Arabic",sans-serif'
)


class FontFile(msgspec.Struct, frozen=True):
    """One file of a registered family and the characters it is fetched for."""

    family: str
    file: str
    characters: str


FONT_FILES: Final = (
    FontFile(
        "Inter",
        "vendor/inter-latin.woff2",
        "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,"
        "U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD",
    ),
    FontFile(
        "Inter",
        "vendor/inter-latin-ext.woff2",
        "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+1D00-1DBF,U+1E00-1E9F,"
        "U+1EF2-1EFF,U+2020,U+20A0-20AB,U+20AD-20C0,U+2113,U+2C60-2C7F,U+A720-A7FF",
    ),
    FontFile(
        "Noto Sans Arabic",
        "vendor/noto-sans-arabic.woff2",
        "U+0600-06FF,U+0750-077F,U+0870-088E,U+0890-0891,U+0897-08E1,U+08E3-08FF,U+200C-200E,"
        "U+2010-2011,U+204F,U+2E41,U+FB50-FDFF,U+FE70-FE74,U+FE76-FEFC",
    ),
)


class Stylesheet(msgspec.Struct, frozen=True):
    """The text of a theme's style sheet, and the first twelve digits of its sha256 for its address."""

    text: str
    version: str


@lru_cache(maxsize=256)
def _cached(choices: Choices, fonts: tuple[tuple[str, str, str], ...]) -> Stylesheet:
    faces = "".join(
        f'@font-face{{font-family:"{family}";src:url({address}) format("woff2");'
        f"font-weight:100 900;font-display:swap;unicode-range:{characters}}}"
        for family, address, characters in fonts
    )
    light, dark = (
        ";".join(f"--tx-{name}:{value}" for name, value in derive(choices, mode).items())
        for mode in ("light", "dark")
    )
    text = (
        f"{faces}:root{{color-scheme:light;{_shape(choices)};{light}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
        # paper is white whatever the screen was
        f"@media print{{:root:root:root{{color-scheme:light;{light}}}}}"
    )
    return Stylesheet(text, hashlib.sha256(text.encode()).hexdigest()[:12])


def stylesheet(choices: Choices, address_of: Callable[[str], str]) -> Stylesheet:
    """The style sheet of a theme; *address_of* turns an asset's name into its address.

    Only checked `Choices` get here, so no text a tenant typed reaches the style sheet except as a colour, a number or one of
    a few words.
    """
    families = {choices.body, choices.display, "Noto Sans Arabic"}
    fonts = tuple(
        (font.family, address_of(font.file), font.characters)
        for font in FONT_FILES
        if font.family in families
    )
    return _cached(choices, fonts)


def _shape(choices: Choices) -> str:
    def family(name: str) -> str:
        return _SYSTEM if name == "System" else f'"{name}","Noto Sans Arabic",{_SYSTEM}'

    radius = choices.radius
    shape = {
        "font-body": family(choices.body),
        "font-display": family(choices.display),
        "radius": f"{radius:g}px",
        "radius-sm": f"{max(0.0, radius - 3):g}px",
        "radius-lg": f"{radius * 1.5:g}px",
        "radius-pill": "999px" if radius > 2 else f"{radius:g}px",
        "density": f"{choices.density:g}",
    }
    return ";".join(f"--tx-{name}:{value}" for name, value in shape.items())
