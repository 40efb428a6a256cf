"""Static files are addressed by their content; third-party files are the ones that were pinned."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.panels import Assets, MissingAsset
from trophenix_kernel.web import vendor


class TestAddresses:
    def test_an_address_leads_to_its_file(self) -> None:
        """What `href` gives out, `read` finds, with everything a browser needs."""
        assets = Assets()
        asset = assets.read(assets.href("tx.css").removeprefix("/assets/"))

        assert asset is not None
        assert asset.content_type.startswith("text/css")
        assert "immutable" in asset.cache_control
        assert asset.packed is not None
        assert gzip.decompress(asset.packed) == asset.body

    def test_fonts_are_not_packed_again(self) -> None:
        """They are compressed already."""
        assets = Assets()
        asset = assets.read(assets.href("vendor/inter-latin.woff2").removeprefix("/assets/"))

        assert asset is not None
        assert asset.packed is None
        assert asset.content_type == "font/woff2"

    def test_old_content_is_not_sent_under_a_new_name(self) -> None:
        """The digits must be the file's own."""
        assert Assets().read("tx.000000000000.css") is None

    @given(
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(
                [
                    "../vendor.py",
                    "..%2f..",
                    "package.json",
                    "icons/lucide.tsv",
                    "vendor.lock.json",
                    "",
                    ".",
                    "/",
                    "tx.css",
                ]
            ),
        )
    )
    def test_no_other_file_is_reachable(self, path: str) -> None:
        """Only addresses that were given out are answered."""
        assert Assets().read(path) is None

    def test_a_plugin_s_files_stand_under_its_name(self, tmp_path: Path) -> None:
        """Two plugins may both have a logo.svg."""
        (tmp_path / "logo.svg").write_text("<svg/>")
        assets = Assets(folders={"demo": tmp_path})

        assert assets.href("demo/logo.svg").startswith("/assets/demo/logo.")
        assert assets.href("demo/logo.svg") != assets.href("logo.svg")

    def test_a_missing_file_says_what_to_do(self) -> None:
        """The usual reason is that third-party files were never brought."""
        with pytest.raises(MissingAsset, match=r"trophenix_kernel\.web\.vendor"):
            Assets().href("vendor/nothing.js")


class TestThirdPartyFiles:
    def _assets(self, folder: Path) -> Path:
        target = folder / "assets"
        target.mkdir()
        for name in ("package.json", "vendor.lock.json"):
            shutil.copy(vendor.ASSETS / name, target / name)
        return target

    def test_versions_are_pinned_exactly(self) -> None:
        """A tag or a range could bring another file tomorrow."""
        package = json.loads((vendor.ASSETS / "package.json").read_text())
        versions = {**package["dependencies"], **package["devDependencies"]}

        assert all(version.replace(".", "").isdigit() for version in versions.values())

    def test_a_second_run_starts_nothing(self) -> None:
        """Everything in place: no npm, no network."""
        assert vendor.in_place()
        assert vendor.install() == []

    def test_a_changed_file_is_noticed(self, tmp_path: Path) -> None:
        """One changed byte and the files count as missing."""
        assets = tmp_path / "assets"
        shutil.copytree(vendor.ASSETS, assets)
        assert vendor.in_place(assets)

        with (assets / "vendor" / "htmx.min.js").open("ab") as file:
            file.write(b"\n")

        assert not vendor.in_place(assets)

    def test_a_file_that_is_not_the_pinned_one_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A package that changed under its version never gets in."""
        assets = self._assets(tmp_path)
        node = tmp_path / "node"
        script = node / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"
        script.parent.mkdir(parents=True)
        script.write_text("evil()")
        monkeypatch.setattr(vendor, "npm_command", lambda: ["true"])

        with pytest.raises(vendor.VendorFault, match=r"sha256 .* expected"):
            vendor.install(assets, node)
        assert not (assets / "vendor").exists()

    def test_a_failing_npm_is_reported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With what it said."""
        monkeypatch.setattr(
            vendor, "npm_command", lambda: ["sh", "-c", "echo no network >&2; exit 1"]
        )

        with pytest.raises(vendor.VendorFault, match="no network"):
            vendor.install(self._assets(tmp_path), tmp_path / "node")
