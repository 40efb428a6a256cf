"""Colour arithmetic: sRGB hex to OKLCH and back, and the WCAG contrast of two colours.

Lightness, chroma and hue of OKLCH are what the eye calls by these names, so moving only lightness keeps a brand recognisable.

Source: Björn Ottosson, "A perceptual color space for image processing" (Oklab matrices); WCAG 2.2, relative luminance and
contrast ratio; IEC 61966-2-1 (sRGB transfer function).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

WHITE: Final = "#ffffff"
BLACK: Final = "#000000"


class Oklch(NamedTuple):
    """Lightness 0..1, chroma 0..about 0.37, hue in degrees."""

    lightness: float
    chroma: float
    hue: float


def contrast(first: str, second: str) -> float:
    """The WCAG ratio of two hex colours, 1 to 21, unrounded; the order does not matter."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=4096)
def luminance(colour: str) -> float:
    """The relative luminance of a hex colour, 0 to 1."""
    red, green, blue = (_linear(part) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def to_oklch(colour: str) -> Oklch:
    """A hex colour as lightness, chroma and hue."""
    red, green, blue = (_linear(part) for part in _parts(colour))
    l_root = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    m_root = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    s_root = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * l_root + 0.7936177850 * m_root - 0.0040720468 * s_root
    a = 1.9779984951 * l_root - 2.4285922050 * m_root + 0.4505937099 * s_root
    b = 0.0259040371 * l_root + 0.7827717662 * m_root - 0.8086757660 * s_root
    return Oklch(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360)


def from_oklch(lightness: float, chroma: float, hue: float) -> str:
    """The hex colour, with chroma lowered as far as needed for the screen to show this lightness and hue."""
    lightness = min(1.0, max(0.0, lightness))
    linear = _linear_rgb(lightness, chroma, hue)
    for _ in range(80):
        if all(-0.0005 <= part <= 1.0005 for part in linear):
            break
        chroma *= 0.95
        linear = _linear_rgb(lightness, chroma, hue)
    else:
        linear = _linear_rgb(lightness, 0.0, hue)
    return _hex(tuple(_gamma(min(1.0, max(0.0, part))) for part in linear))


def mix(under: str, over: str, share: float) -> str:
    """*over* laid on *under* with opacity *share*, as one opaque hex colour."""
    pairs = zip(_parts(under), _parts(over), strict=True)
    return _hex(tuple(low + (high - low) * share for low, high in pairs))


def _parts(colour: str) -> tuple[float, float, float]:
    return (
        int(colour[1:3], 16) / 255,
        int(colour[3:5], 16) / 255,
        int(colour[5:7], 16) / 255,
    )


def _hex(parts: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(min(1.0, max(0.0, part)) * 255):02x}" for part in parts)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _gamma(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a = chroma * math.cos(math.radians(hue))
    b = chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
