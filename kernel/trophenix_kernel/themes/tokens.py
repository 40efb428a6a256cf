"""Read a theme's token file and answer the few choices it makes, each checked before anything else sees it.

The file is the Design Tokens Community Group's format, of which this is a subset: colours, numbers, dimensions, font families and
aliases. Choices the format has no type for stand in ``$extensions["io.trophenix"]``.

Source: designtokens.org/TR/2025.10 (Final Community Group Report).
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from trophenix_kernel.themes.colour import from_oklch

Sidebar = Literal["plain", "ink", "brand"]
EXTENSION: Final = "io.trophenix"
FONTS: Final = ("Inter", "System")
"""Registered families: a theme names one and can never give an address."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}\Z")
_NAME = re.compile(r"[^<>\"'\\\x00-\x1f]{1,80}\Z")


class ThemeFault(Exception):
    """A token file was refused; the message names every fault found and what was expected."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant decides about its look; everything else is derived from it.

    Attributes:
        name: shown to people.
        brand: buttons, links, the current entry. Kept exactly as given on filled buttons.
        accent: the second colour.
        neutral: gives greys their hue; the brand's when empty.
        neutral_chroma: how coloured greys are, 0 to 0.04.
        success: seed of the colour of what went well; likewise the next three.
        radius: corners, in pixels.
        density: 0.8 (tight) to 1.3 (roomy).
        sidebar: whether the side bar is like the page, dark, or in the brand's colour.
        body: a registered font family.
        display: a registered font family, for headings.
    """

    name: str = "Trophenix"
    brand: str
    accent: str
    neutral: str = ""
    neutral_chroma: float = 0.008
    success: str = ""
    warning: str = ""
    danger: str = ""
    info: str = ""
    radius: float = 8.0
    density: float = 1.0
    sidebar: Sidebar = "plain"
    body: str = "Inter"
    display: str = "Inter"


def read_tokens(source: str | bytes) -> Choices:
    """The choices a token file makes, with the default theme's for what it leaves out.

    Raises:
        ThemeFault: with every fault of the file, not only the first.
    """
    try:
        decoded: Any = json.loads(source)
    except ValueError as error:
        raise ThemeFault([f"not a JSON document: {error}"]) from error
    if not isinstance(decoded, dict):
        raise ThemeFault(["the document must be a JSON object"])
    document = cast("dict[str, Any]", decoded)
    faults: list[str] = []
    tokens = _resolve(document, faults)
    extension = _object(_object(document.get("$extensions")).get(EXTENSION))

    found: dict[str, Any] = {}
    for field in ("brand", "accent", "neutral", "success", "warning", "danger", "info"):
        if (value := tokens.get(f"color.{field}")) is not None:
            found[field] = _colour(f"color.{field}", value, faults)
    found["neutral_chroma"] = _number(
        "number.neutralChroma", tokens.get("number.neutralChroma", 0.008), 0.0, 0.04, faults
    )
    given = tokens.get("dimension.radius", {"value": 8, "unit": "px"})
    radius = _object(given)
    if radius.get("unit") != "px":
        faults.append(
            f"dimension.radius is {given!r}, expected a value with the unit px, such as "
            '{"value": 8, "unit": "px"}'
        )
        radius = {"value": 8}
    found["radius"] = _number("dimension.radius", radius.get("value"), 0, 24, faults)
    found["density"] = _number("density", extension.get("density", 1), 0.8, 1.3, faults)
    found["sidebar"] = _word(
        "sidebar", extension.get("sidebar", "plain"), ("plain", "ink", "brand"), faults
    )
    for field in ("body", "display"):
        family = tokens.get(f"font.{field}", found.get("body", "Inter"))
        found[field] = _word(f"font.{field}", family, FONTS, faults)
    name = extension.get("name", "Theme")
    if not isinstance(name, str) or not _NAME.match(name):
        faults.append(f"name is {name!r}, expected 1 to 80 characters without markup")
    found["name"] = name
    if "brand" not in found:
        faults.append("color.brand is missing: every theme has at least its brand colour")
    if faults:
        raise ThemeFault(faults)
    return Choices(**{"accent": found["brand"], **found})


@lru_cache(maxsize=1)
def default_choices() -> Choices:
    """The theme of the kernel itself, under every other."""
    return read_tokens((Path(__file__).parent / "default.tokens.json").read_bytes())


def _object(value: object) -> dict[str, Any]:
    """*value* when it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _resolve(document: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(node: dict[str, Any], path: tuple[str, ...]) -> None:
        if "$value" in node:
            flat[".".join(path)] = node["$value"]
            return
        for key, child in node.items():
            if not key.startswith("$") and isinstance(child, dict):
                walk(child, (*path, key))  # pyright: ignore[reportUnknownArgumentType]

    walk(document, ())
    resolved: dict[str, Any] = {}
    for path, first in flat.items():
        value, seen = first, {path}
        while isinstance(value, str) and value.startswith("{") and value.endswith("}"):
            target = value[1:-1]
            if target in seen or target not in flat:
                why = "points back at itself" if target in seen else "does not exist"
                faults.append(f"{path} is an alias of {target}, which {why}")
                value = None
                break
            seen.add(target)
            value = flat[target]
        resolved[path] = value
    return resolved


def _colour(path: str, value: Any, faults: list[str]) -> str:
    if isinstance(value, str) and _HEX.match(value):
        return value.lower()
    if given := _object(value):
        if isinstance(hexadecimal := given.get("hex"), str) and _HEX.match(hexadecimal):
            return hexadecimal.lower()
        parts, space = given.get("components"), given.get("colorSpace")
        numbers = cast("list[Any]", parts) if isinstance(parts, list) else []
        if len(numbers) == 3 and all(_is_number(part) for part in numbers):
            if space == "oklch":
                return from_oklch(*map(float, numbers))
            if space == "srgb" and all(0 <= part <= 1 for part in numbers):
                return "#" + "".join(f"{round(part * 255):02x}" for part in numbers)
    faults.append(
        f"{path} is {value!r}, expected #rrggbb or a DTCG colour in srgb (components 0 to 1) or oklch"
    )
    return "#808080"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(path: str, value: Any, low: float, high: float, faults: list[str]) -> float:
    if _is_number(value) and low <= value <= high:
        return float(value)
    faults.append(f"{path} is {value!r}, expected a number from {low:g} to {high:g}")
    return low


def _word(path: str, value: Any, words: tuple[str, ...], faults: list[str]) -> str:
    if isinstance(value, str) and value in words:
        return value
    faults.append(f"{path} is {value!r}, expected one of {', '.join(words)}")
    return words[0]
