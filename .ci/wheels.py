"""What others install works: wheels of every distribution, in an environment that has never seen the checkout.

1. Every wheel holds all files of its package.
2. A stranger's plugin (examples/hello_plugin) imports with nothing of the platform but the SDK's wheels.
3. Product and plugin are installed in an empty environment and started with the demonstration: the plugin's operation answers,
   for its tenant and for nobody else.
4. The plugin's own tests pass there, with the wheel of the test kit.
5. The plugin is uninstalled: the same data starts again without it, and its operation is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
WHEELS = BUILD / "wheels"
EXAMPLE = ROOT / "examples" / "hello_plugin"
ADDRESS = "/hello/greetings"
UV = os.environ.get("UV", "uv")  # set by `uv run`, also when uv is not on the PATH
START_SECONDS = 180


class Failed(Exception):
    """Something does not hold; the message says what."""


def main() -> int:
    """0 when all of it holds."""
    try:
        steps(Path(tempfile.mkdtemp(prefix="trophenix-wheels-")))
    except Failed as failure:
        print(f"wheels: {failure}", file=sys.stderr)
        return 1
    return 0


def steps(folder: Path) -> None:
    """Do it all; *folder* is removed afterwards."""
    # PostgreSQL does not run as root: its account has to reach the data.
    folder.chmod(0o755)
    try:
        wheels = step("wheels built", build)
        stranger = step("a stranger's plugin built", build_stranger)
        step("every wheel is complete", lambda: check_contents(wheels))
        step(
            "the plugin needs the SDK alone",
            lambda: check_needs_sdk_alone(folder, wheels, stranger),
        )
        python = step("installed in an empty environment", lambda: install(folder, wheels))
        step("`trophenix --help` answers", lambda: run([python.parent / "trophenix", "--help"]))
        pip(python, ["install", "--no-index", "--find-links", WHEELS, stranger])
        step(
            "with the plugin: started, answered, closed to others",
            lambda: with_plugin(folder, python),
        )
        step(
            "the plugin's own tests pass, with the test kit's wheel",
            lambda: test_stranger(python, wheels),
        )
        pip(python, ["uninstall", "acme-hello"])
        step(
            "without it: started on the same data, its address gone",
            lambda: without_plugin(folder, python),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def step(name: str, work: Callable[[], Any]) -> Any:
    """The result of *work*; its name and duration are printed."""
    started = time.monotonic()
    result = work()
    print(f"  {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return result


def build() -> dict[str, Path]:
    """Package → its wheel, freshly built."""
    shutil.rmtree(WHEELS, ignore_errors=True)
    run([UV, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", WHEELS], cwd=ROOT)
    return {wheel.name.partition("-")[0]: wheel for wheel in sorted(WHEELS.glob("*.whl"))}


def build_stranger() -> Path:
    """The example's wheel, built like a stranger's: outside the workspace."""
    target = BUILD / "stranger"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(EXAMPLE, target / "source", ignore=shutil.ignore_patterns("__pycache__"))
    run([UV, "build", "--quiet", "--wheel", "--out-dir", target, target / "source"], cwd=target)
    return next(target.glob("*.whl"))


def check_contents(wheels: dict[str, Path]) -> None:
    """Every file of a package's folder is in its wheel, those that git ignores (fonts, icons) included."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"][
        "workspace"
    ]
    folders = [
        folder
        for pattern in workspace["members"]
        for folder in ROOT.glob(pattern)
        if (folder / "pyproject.toml").is_file()
    ]
    for folder in folders:
        package = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"][
            "name"
        ].replace("-", "_")
        if package not in wheels:
            raise Failed(f"no wheel was built for {folder.name}")
        here = {
            file.relative_to(folder).as_posix()
            for file in (folder / package).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        missing = sorted(here - set(zipfile.ZipFile(wheels[package]).namelist()))
        if missing:
            raise Failed(f"{wheels[package].name} lacks {', '.join(missing)}")


def check_needs_sdk_alone(folder: Path, wheels: dict[str, Path], stranger: Path) -> None:
    """The plugin imports where only the client, the SDK and what they ask for are installed."""
    python = environment(folder / "sdk")
    pip(python, ["install", wheels["trophenix"], wheels["trophenix_sdk"]])
    pip(python, ["install", "--no-index", stranger])
    run([python, "-c", "import acme_hello.plugin as plugin; assert plugin.operations()"])


def install(folder: Path, wheels: dict[str, Path]) -> Path:
    """The Python of a new environment that holds the product."""
    python = environment(folder / "product")
    # By path: a name alone would let an index offer something else under it.
    named = [
        path
        for package, path in wheels.items()
        if package not in {"trophenix_kernel", "trophenix_testing"}
    ]
    constraints = folder / "constraints.txt"
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"][
        "constraint-dependencies"
    ]
    constraints.write_text("\n".join(pinned), "utf-8")
    pip(
        python,
        ["install", "--constraint", constraints, *named, f"{wheels['trophenix_kernel']}[embedded]"],
    )
    return python


def test_stranger(python: Path, wheels: dict[str, Path]) -> None:
    """The example's tests pass where the product and the plugin are installed, as they do for whoever wrote it."""
    pip(python, ["install", wheels["trophenix_testing"], "pytest", "pytest-asyncio"])
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=BUILD / "stranger" / "source")


def with_plugin(folder: Path, python: Path) -> None:
    """Start with the demonstration: the plugin works for a tenant that has it, and is not there for one that has not."""
    with Running(folder, python, "--strict") as ready:
        has, has_not = ready["tenants"][0], ready["tenants"][1]
        status, sent = call(ready, has, ADDRESS, {"name": "Ada"})
        expect(status == 201 and sent["name"] == "Ada", f"writing answered {status}: {sent}")
        status, page = call(ready, has, ADDRESS)
        expect(
            status == 200 and [one["id"] for one in page["data"]] == [sent["id"]],
            f"reading answered {status}: {page}",
        )
        status, problem = call(ready, has_not, ADDRESS)
        expect(status == 404, f"a tenant without the plugin was answered {status}: {problem}")


def without_plugin(folder: Path, python: Path) -> None:
    """Start again: the platform is well, and the plugin's address is unknown."""
    with Running(folder, python) as ready:
        tenant = ready["tenants"][0]
        status, answer = call(ready, tenant, "/tenant")
        expect(status == 200, f"the platform answered {status}: {answer}")
        status, problem = call(ready, tenant, ADDRESS)
        expect(
            status == 404 and problem["code"] == "route_unknown",
            f"the plugin's address answered {status}: {problem}",
        )


class Running:
    """`trophenix up` on the folder's data, as long as the block lasts."""

    def __init__(self, folder: Path, python: Path, *more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.ready = folder / "ready.json"
        self.ready.unlink(missing_ok=True)
        self.log = folder / "up.log"
        command = [
            python.parent / "trophenix",
            "up",
            "--demo",
            "--data-dir",
            folder / "data",
            "--port",
            str(port),
        ]
        self.command = [str(word) for word in (*command, "--json-ready", self.ready, *more)]
        self.folder = folder

    def __enter__(self) -> dict[str, Any]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TROPHENIX_", "VIRTUAL_ENV"))
        }
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=clean,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Failed(f"the platform did not start:\n{self.log.read_text('utf-8')[-4000:]}")
            time.sleep(0.1)
        return json.loads(self.ready.read_text("utf-8"))

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        code = self.stop()
        if error is not None:
            print(self.log.read_text("utf-8")[-4000:], file=sys.stderr)
        elif code != 0:
            raise Failed(f"the platform ended with {code}:\n{self.log.read_text('utf-8')[-4000:]}")

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed(
                f"the platform did not end within 60 s:\n{self.log.read_text('utf-8')[-4000:]}"
            ) from None


def call(
    ready: dict[str, Any], tenant: dict[str, Any], path: str, body: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and decoded body of one API call with the tenant's key."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{ready['base_url']}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {tenant['api_key']}",
            "X-Tenant-ID": tenant["slug"],
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def expect(holds: bool, otherwise: str) -> None:
    """Nothing, when it holds."""
    if not holds:
        raise Failed(otherwise)


def environment(folder: Path) -> Path:
    """The Python of a new, empty environment."""
    run([UV, "venv", "--quiet", "--python", sys.executable, folder])
    return folder / "bin" / "python"


def pip(python: Path, words: list[str | Path]) -> None:
    """Run `uv pip` on an environment."""
    run([UV, "pip", words[0], "--quiet", "--python", python, *words[1:]])


def run(command: list[str | Path], cwd: Path = BUILD) -> None:
    """The command succeeds, away from the checkout's packages."""
    cwd.mkdir(parents=True, exist_ok=True)
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH"}
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(
            f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr).strip()[-4000:]}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
