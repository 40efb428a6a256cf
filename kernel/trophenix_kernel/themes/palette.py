"""Every colour of the web face, derived from a theme's few choices so that it can always be read.

The brand is kept exactly on filled buttons; the text on it and the edge around it are solved. For text and lines in the brand's or a
status's colour, hue and chroma are kept and lightness moves until the ratio holds against *every* ground the colour may stand on.
`PAIRS` lists these meetings of two colours; `audit` measures them all, and a theme with a failing pair is not accepted.

Source: WCAG 2.2, success criteria 1.4.3 (text, 4.5:1) and 1.4.11 (parts of controls and graphics, 3:1).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from trophenix_kernel.themes.colour import (
    BLACK,
    WHITE,
    Oklch,
    contrast,
    from_oklch,
    mix,
    to_oklch,
)
from trophenix_kernel.themes.tokens import Choices

Mode = Literal["light", "dark"]
Palette: TypeAlias = dict[str, str]
"""Names without the ``--tx-`` prefix, in the order they are written."""

TEXT: Final = 4.5
EDGE: Final = 3.0
STATUSES: Final = ("ok", "warn", "bad", "info")
GROUNDS: Final = ("surface", "bg", "raised", "hover", "sunken")
SERIES: Final = tuple(f"series-{number}" for number in range(1, 7))

_SEEDS: Final = {  # OKLCH of each status when the theme gives no colour
    "ok": (0.6, 0.135, 152),
    "warn": (0.6, 0.14, 70),
    "bad": (
        0.555,
        0.19,
        25,
    ),  # dark enough for white text: a red button with black text looks like a warning
    "info": (0.6, 0.13, 245),
}


class Measured(NamedTuple):
    """One meeting of a colour and its ground, and whether it can be read."""

    mode: Mode
    colour: str
    ground: str
    ratio: float
    needed: float

    @property
    def passes(self) -> bool:
        """Whether the colour can be told from its ground; compared unrounded."""
        return self.ratio >= self.needed


def _pairs() -> tuple[tuple[str, str, float], ...]:
    pairs: list[tuple[str, str, float]] = []
    for ground in (*GROUNDS, "brand-soft"):
        pairs += [(text, ground, TEXT) for text in ("text", "text-2", "text-3", "brand-text")]
        pairs += [("focus", ground, EDGE)]
    for ground in ("surface", "bg", "raised"):
        pairs += [("control-border", ground, EDGE), ("brand-edge", ground, EDGE)]
    pairs += [("brand-edge", "sunken", EDGE), ("accent-edge", "surface", EDGE)]
    pairs += [("on-brand", ground, TEXT) for ground in ("brand", "brand-hover")]
    pairs += [("on-accent", "accent", TEXT), ("inverse-text", "inverse", TEXT)]
    for status in STATUSES:
        pairs += [(f"{status}-text", ground, TEXT) for ground in (*GROUNDS, f"{status}-soft")]
        pairs += [(f"{status}-text", "brand-soft", TEXT), ("text", f"{status}-soft", TEXT)]
        pairs += [
            (f"on-{status}", status, TEXT),
            (status, "surface", EDGE),
            (status, "sunken", EDGE),
        ]
    pairs += [("on-bad", "bad-hover", TEXT)]
    pairs += [(series, ground, EDGE) for series in SERIES for ground in ("surface", "raised")]
    for ground in ("side-bg", "side-active-bg"):
        pairs += [("side-text", ground, TEXT), ("side-muted", ground, TEXT)]
        pairs += [("side-active", ground, TEXT), ("side-mark", ground, EDGE)]
        pairs += [("side-focus", ground, EDGE)]
    return tuple(pairs)


PAIRS: Final = _pairs()
"""Colour, ground, least ratio: every meeting the components make."""


@lru_cache(maxsize=256)
def derive(choices: Choices, mode: Mode) -> Palette:
    """All colours of one mode, from the choices of a theme. Takes a few milliseconds; the answer must not be changed."""
    dark = mode == "dark"
    toward = 1 if dark else -1
    brand = to_oklch(choices.brand)
    neutral_hue = to_oklch(choices.neutral or choices.brand).hue
    chroma = choices.neutral_chroma

    def grey(lightness: float, share: float = 1.0) -> str:
        return from_oklch(lightness, chroma * share, neutral_hue)

    colours: Palette = {}
    if dark:
        colours |= {
            "bg": grey(0.165, 1.2),
            "surface": grey(0.205, 1.2),
            "raised": grey(0.245, 1.2),
            "sunken": grey(0.145, 1.2),
            "hover": grey(0.26, 1.2),
            "border": grey(0.285, 1.2),
            "border-strong": grey(0.37, 1.2),
            "text": grey(0.955, 0.6),
            "inverse": grey(0.93, 0.6),
            "inverse-text": grey(0.18, 1.2),
        }
        second, third = grey(0.78, 0.8), grey(0.665, 0.9)
    else:
        colours |= {
            "bg": grey(0.982, 0.6),
            "surface": WHITE,
            "raised": WHITE,
            "sunken": grey(0.964),
            "hover": grey(0.955),
            "border": grey(0.918),
            "border-strong": grey(0.845),
            "text": grey(0.21, 1.6),
            "inverse": grey(0.23, 1.6),
            "inverse-text": grey(0.985, 0.6),
        }
        second, third = grey(0.43, 1.6), grey(0.535, 1.6)
    grounds = tuple(colours[name] for name in GROUNDS)
    panes = (colours["surface"], colours["bg"], colours["raised"])

    soft = from_oklch(
        0.29 if dark else 0.955, min(brand.chroma, 0.055 if dark else 0.03), brand.hue
    )
    everywhere = (*grounds, soft)
    colours["text-2"] = solve(second, everywhere, TEXT, toward)
    colours["text-3"] = solve(third, everywhere, TEXT, toward)
    colours["control-border"] = solve(grey(0.5 if dark else 0.68), panes, EDGE, toward)

    colours["brand"] = choices.brand
    colours["on-brand"] = text_on(choices.brand)
    colours["brand-hover"] = _hover(brand, colours["on-brand"])
    colours["brand-edge"] = solve(choices.brand, (*panes, colours["sunken"]), EDGE, toward)
    colours["brand-soft"] = soft
    colours["brand-text"] = solve(choices.brand, everywhere, TEXT, toward)
    colours["brand-line"] = from_oklch(0.42 if dark else 0.86, min(brand.chroma, 0.07), brand.hue)
    colours["focus"] = solve(choices.brand, everywhere, EDGE, toward)

    accent = choices.accent
    colours["accent"] = accent
    colours["on-accent"] = text_on(accent)
    colours["accent-edge"] = solve(accent, (colours["surface"],), EDGE, toward)

    given = {
        "ok": choices.success,
        "warn": choices.warning,
        "bad": choices.danger,
        "info": choices.info,
    }
    for status in STATUSES:
        lightness, strength, hue = _SEEDS[status]
        seed = given[status] or from_oklch(lightness, strength, hue)
        own = to_oklch(seed)
        fill = solve(seed, (colours["surface"], colours["sunken"]), EDGE, toward)
        tint = from_oklch(
            0.285 if dark else 0.957, min(own.chroma, 0.05 if dark else 0.032), own.hue
        )
        colours[status] = fill
        colours[f"on-{status}"] = text_on(fill)
        colours[f"{status}-soft"] = tint
        colours[f"{status}-line"] = from_oklch(
            0.42 if dark else 0.86, min(own.chroma, 0.07), own.hue
        )
        colours[f"{status}-text"] = solve(seed, (*everywhere, tint), TEXT, toward)
    colours["bad-hover"] = _hover(to_oklch(colours["bad"]), colours["on-bad"])

    other = accent if accent != choices.brand else from_oklch(0.68, 0.14, brand.hue + 160)
    turned = [from_oklch(0.74 if dark else 0.66, 0.14, brand.hue + by) for by in (95, 205, 45, 285)]
    for name, seed in zip(SERIES, (choices.brand, other, *turned), strict=True):
        colours[name] = solve(seed, (colours["surface"], colours["raised"]), EDGE, toward)

    colours |= _side_bar(choices, brand, colours, dark=dark)
    colours["overlay"] = "rgb(0 0 0 / .6)" if dark else "rgb(15 18 25 / .45)"
    return colours


def audit(choices: Choices) -> tuple[Measured, ...]:
    """Every pair of both modes, measured; a theme is sound when all of them pass."""
    return tuple(
        Measured(mode, colour, ground, contrast(colours[colour], colours[ground]), needed)
        for mode in ("light", "dark")
        for colours in (derive(choices, mode),)
        for colour, ground, needed in PAIRS
    )


def solve(seed: str, grounds: tuple[str, ...], ratio: float, toward: int) -> str:
    """*seed* with its lightness moved up (1) or down (-1) until it stands out from every ground by *ratio*.

    Hue stays; chroma is lowered only as far as the screen demands. On the grounds of this module, which lie near white
    or near black, moving away from them always gets there.
    """
    colour = seed
    lightness, chroma, hue = to_oklch(seed)
    end = 1.0 if toward > 0 else 0.0
    while lightness != end and min(contrast(colour, ground) for ground in grounds) < ratio:
        lightness = min(1.0, max(0.0, lightness + 0.01 * toward))
        colour = from_oklch(lightness, chroma, hue)
    return colour


def text_on(fill: str) -> str:
    """White, near-black or black, the first that can be read on *fill*; one of them always can."""
    for colour in (WHITE, "#0b0d12"):
        if contrast(colour, fill) >= TEXT:
            return colour
    return BLACK


def _hover(fill: Oklch, text: str) -> str:
    """The fill under the pointer: away from its text, so it never gets harder to read."""
    if text == WHITE:
        return from_oklch(fill.lightness - 0.045, fill.chroma, fill.hue)
    return from_oklch(fill.lightness + 0.035, fill.chroma, fill.hue)


def _side_bar(choices: Choices, brand: Oklch, colours: Palette, *, dark: bool) -> Palette:
    inked = choices.sidebar != "plain"
    if choices.sidebar == "brand":
        ground = from_oklch(min(brand.lightness, 0.36), brand.chroma, brand.hue)
    elif choices.sidebar == "ink":
        ground = from_oklch(0.2, 0.02, brand.hue)
    else:
        ground = colours["sunken"] if dark else colours["bg"]
    light_text = dark or inked
    toward = 1 if light_text else -1
    active = mix(ground, WHITE, 0.12) if inked else colours["hover"]
    both = (ground, active)
    mark = choices.accent if choices.sidebar == "brand" else choices.brand
    return {
        "side-bg": ground,
        "side-text": solve("#c9ced8" if light_text else colours["text-2"], both, 6.0, toward),
        "side-muted": solve("#8b93a3" if light_text else colours["text-3"], both, TEXT, toward),
        "side-active-bg": active,
        "side-active": WHITE if inked else colours["text"],
        "side-mark": solve(mark, both, EDGE, toward),
        "side-focus": solve(choices.brand, both, EDGE, toward),
        "side-border": mix(ground, WHITE, 0.1) if inked else colours["border"],
    }
