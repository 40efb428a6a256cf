"""Every page of the admin, as everybody who may see it: it answers, is accessible, fits and fails at nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
PAGES = ["", "/modules", "/modules/acme.carpool/settings", "/members", "/keys", "/settings", "/kernel/audit", "/kernel/jobs",
 "/trophenix.recruitment/athletes", "/trophenix.recruitment/athletes/new", "/trophenix.recruitment/athletes/import", "/trophenix.recruitment/duplicates",
 "/trophenix.recruitment/imports", "/../account", "/../account/sessions", "/../", "/nope"]

from .conftest import Face  # scratch

def test_scratch(window, recruitment):
    out = Path("/tmp/shots"); out.mkdir(exist_ok=True)
    for face in (Face(), Face("fr", "dark", 390, 844)):
        w = window(face=face)
        for p in PAGES:
            a = w.page.goto(w._product.base + "/admin/alpha" + p)
            n = (p.strip("/").replace("/", "_") or "home") + f"-{face.width}.png"
            w.page.screenshot(path=out / n, full_page=True)
            print(face, p, a.status, w.heading)
            try: w.look()
            except AssertionError as e: print(str(e)[:1500])
            w.faults.clear()
