"""All parts of the product run, are watched, and end together."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess

    from .conftest import Scene, UntilGone, UntilLine

RUN = """
    import asyncio, json, sys
    from pathlib import Path
    from trophenix_kernel.runtime import (
        EmbeddedNats, EmbeddedPostgres, Program, RestartBudget, Supervisor
    )

    directory, options = Path(sys.argv[1]), json.loads(sys.argv[2])

    async def answered():
        print("probed", flush=True)
        return (directory / "answer").exists()

    async def programs():
        if "trouble" in options:
            raise RuntimeError(options["trouble"])
        return [
            Program(
                command=[sys.executable, "-c", code, str(directory)],
                ready=answered if more.pop("probed", False) else None,
                **more,
            )
            for code, more in options["programs"]
        ]

    async def on_ready():
        print("all ready", flush=True)
        if options.get("brief"):
            supervisor.stop()

    services = [
        EmbeddedPostgres(directory / "postgres", durable=False, port=options.get("port")),
        EmbeddedNats(directory / "nats"),
    ]
    supervisor = Supervisor(
        directory,
        services=services if options.get("services") else (),
        programs=programs,
        on_ready=on_ready,
        budget=RestartBudget(**options.get("budget", {"first_delay_seconds": 0.05})),
    )
    sys.exit(asyncio.run(supervisor.run()))
"""
WAIT = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    "while True: signal.pause()"
)
CRASH = "print('last words'); raise SystemExit(3)"
NOTE_THE_END = """
import signal, sys, pathlib
def end(*_):
    with open(sys.argv[1] + "/order", "a") as file: file.write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True: signal.pause()
"""
DEEP = """
import signal, subprocess, sys
print("up", flush=True)
subprocess.Popen([sys.executable, "-c", "import signal; print('deep', flush=True); signal.pause()"])
signal.pause()
"""


def program(name: str, code: str, **more: object) -> tuple[str, dict[str, object]]:
    """Return a program in the form the script reads."""
    return code, {"name": name, **more}


def supervise(
    scene: Scene, *programs: tuple[str, dict[str, object]], **options: object
) -> subprocess.Popen[str]:
    """Run a supervisor of its own process."""
    text = json.dumps({"programs": programs, **options})
    return scene.python(RUN, str(scene.directory), text)


def rest_of(process: subprocess.Popen[str]) -> str:
    """Return what is still said until the process has ended."""
    output, _ = process.communicate(timeout=30)
    return output


class TestStop:
    """Whatever ends the supervisor, nothing stays behind."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_every_part_in_order(
        self, scene: Scene, until_line: UntilLine, number: signal.Signals
    ) -> None:
        """Programs as listed, then the bus, then the database; and that is a success."""
        names = ["web", "worker", "scheduler"]
        parts = [program(name, NOTE_THE_END.replace("{name}", name)) for name in names]
        process = supervise(scene, *parts, services=True)
        before = "\n".join(until_line(process, "all ready"))
        while before.count("| up") < len(names):
            before += "\n" + "\n".join(until_line(process, "| up"))
        process.send_signal(number)
        after = rest_of(process)

        assert before.index("PostgreSQL 18") < before.index("NATS 2") < before.index("web")
        assert (scene.directory / "order").read_text().split() == names
        assert after.index("NATS stopped") < after.index("PostgreSQL stopped")
        assert process.returncode == 0
        assert scene.processes() == {}
        assert "\x1b" not in before + after

    def test_a_second_signal_does_not_wait_for_stubborn_programs(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """Whoever presses Ctrl-C twice means it."""
        process = supervise(scene, program("web", STUBBORN, grace_seconds=600), services=True)
        until_line(process, "web        | up")
        process.send_signal(signal.SIGINT)
        until_line(process, "SIGINT: stopping")
        process.send_signal(signal.SIGINT)
        output = rest_of(process)

        assert "killing what is left" in output
        assert process.returncode == 0
        assert scene.processes() == {}

    def test_a_stubborn_program_is_killed_when_its_grace_is_over(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """And the supervisor says which one that was."""
        process = supervise(scene, program("web", STUBBORN, grace_seconds=0.2))
        until_line(process, "| up")
        process.send_signal(signal.SIGTERM)

        assert "web did not stop within 0.2 s: killing it" in rest_of(process)
        assert scene.processes() == {}

    def test_the_caller_can_stop_it_as_a_signal_would(self, scene: Scene) -> None:
        """For a run that only checks that everything starts."""
        process = supervise(scene, program("web", WAIT), brief=True)
        output = rest_of(process)

        assert "all ready" in output
        assert "everything is stopped" in output
        assert process.returncode == 0
        assert scene.processes() == {}

    def test_a_supervisor_started_right_after_a_kill_9_takes_over(
        self, scene: Scene, until_line: UntilLine, until_gone: UntilGone
    ) -> None:
        """Even while the guardian of the first one is still stopping things."""
        first = supervise(scene, program("web", WAIT), services=True)
        until_line(first, "all ready")
        pids = scene.processes()
        first.kill()
        first.wait()
        second = supervise(scene, program("web", WAIT), services=True)
        until_line(second, "all ready")
        until_gone(*pids)
        second.send_signal(signal.SIGTERM)

        assert "everything is stopped" in rest_of(second)
        assert second.returncode == 0
        assert scene.processes() == {}

    def test_a_killed_supervisor_takes_everything_along(
        self, scene: Scene, until_line: UntilLine, until_gone: UntilGone
    ) -> None:
        """Also what the programs started themselves."""
        process = supervise(
            scene, program("web", DEEP, copies=2), program("worker", WAIT), services=True
        )
        for _ in range(2):
            until_line(process, "| deep")
        pids = scene.processes()

        process.kill()
        process.wait()
        until_gone(*pids)

        assert len(pids) > 8
        assert scene.processes() == {}

    def test_a_signal_during_the_first_start_stops_it(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """Without waiting for the cluster to be created, and without leaving half of one."""
        process = supervise(scene, services=True)
        until_line(process, "first start")
        process.send_signal(signal.SIGINT)
        output = rest_of(process)

        assert process.returncode == 0
        assert "ready on" not in output
        assert scene.processes() == {}
        assert list((scene.directory / "postgres").glob("new-*")) == []


class TestCrash:
    """A part that ends is reported, started again, and given up on at last."""

    def test_a_killed_copy_is_named_and_started_again(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """The other copy is left alone."""
        process = supervise(scene, program("web", WAIT, copies=2))
        started = until_line(process, "all ready")
        first, second = [
            int(line.rpartition(" ")[2].rstrip(")")) for line in started if "started" in line
        ]
        os.kill(first, signal.SIGKILL)
        until_line(process, "web-1 was ended by SIGKILL; starting it again in 0.05 s (1 of 5)")
        again = until_line(process, "web-1 started (process")[-1]

        assert str(first) not in again
        assert str(second) in " ".join(map(str, scene.processes()))

    def test_a_killed_database_comes_back_under_the_same_address(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """So that programs only have to connect again."""
        process = supervise(scene, program("web", WAIT), services=True)
        before = [line for line in until_line(process, "all ready") if "PostgreSQL" in line][-1]
        pid = int((scene.directory / "postgres/cluster/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until_line(process, "postgresql was ended by SIGKILL")
        after = until_line(process, "PostgreSQL 18.6 ready")[-1]

        assert before.partition(" (")[0] == after.partition(" (")[0]

    @pytest.mark.parametrize(
        ("code", "found"),
        [
            (CRASH, "exited with status 3"),
            ("print('last words')", "exited with status 0"),
            ("print('last words', flush=True); import os; os.abort()", "was ended by SIGABRT"),
        ],
    )
    def test_a_spent_budget_stops_everything_with_an_error(
        self, scene: Scene, code: str, found: str
    ) -> None:
        """The message has the cause, the last words and what to do."""
        process = supervise(
            scene,
            program("web", WAIT),
            program("worker", code),
            budget={"restarts": 2, "first_delay_seconds": 0.01},
        )
        output = rest_of(process)

        assert process.returncode == 1
        assert "worker failed 3 times within 60 s and is not started again" in output
        assert output.count(found) == 3
        assert output.count("worker    | last words") == 3
        assert "Fix what worker reports above, then start again" in output
        assert scene.processes() == {}

    def test_what_a_crashed_program_left_is_killed_before_it_starts_again(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """Or its own workers would keep the port that the next one needs."""
        process = supervise(scene, program("web", DEEP))
        pid = int(until_line(process, "started")[-1].rpartition(" ")[2].rstrip(")"))
        until_line(process, "| deep")
        os.kill(pid, signal.SIGKILL)
        until_line(process, "web started")
        until_line(process, "| deep")

        # supervisor, guardian, program, its child
        assert len(scene.processes()) == 4

    def test_a_program_that_cannot_be_run_says_why(self, scene: Scene) -> None:
        """A directory that is not there is one way."""
        process = supervise(
            scene,
            program("web", WAIT, directory="/nowhere"),
            budget={"restarts": 1, "first_delay_seconds": 0.01},
        )

        assert "could not be started ([Errno 2] No such file or directory" in rest_of(process)
        assert process.returncode == 1


class TestStart:
    """Everything in its order, and nothing by halves."""

    def test_a_second_supervisor_is_told_who_runs_already(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """And ends with an error, leaving the first one alone."""
        first = supervise(scene, program("web", WAIT))
        until_line(first, "all ready")
        second = supervise(scene, program("web", WAIT))
        output = rest_of(second)

        assert second.returncode == 1
        assert f"is in use by process {first.pid}" in output
        assert f"stop it (kill {first.pid})" in output
        assert first.poll() is None

    def test_a_service_that_cannot_start_ends_it_at_once(self, scene: Scene) -> None:
        """Without retries: the configuration is wrong and stays so."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: Any = listener.getsockname()[1]
            process = supervise(scene, program("web", WAIT), services=True, port=port)
            output = rest_of(process)

        assert process.returncode == 1
        assert f"PostgreSQL cannot listen on 127.0.0.1:{port}: the port is taken" in output
        assert "| up" not in output
        assert scene.processes() == {}

    def test_trouble_between_services_and_programs_stops_the_services(self, scene: Scene) -> None:
        """Such as a migration that fails; the error is not swallowed."""
        process = supervise(scene, services=True, trouble="no such table")
        output = rest_of(process)

        assert process.returncode == 1
        assert "RuntimeError: no such table" in output
        assert "PostgreSQL stopped" in output
        assert scene.processes() == {}

    def test_a_program_is_ready_when_its_probe_says_so(
        self, scene: Scene, until_line: UntilLine
    ) -> None:
        """And only then is everything ready."""
        process = supervise(scene, program("web", WAIT, probed=True))
        before = until_line(process, "probed")
        before += until_line(process, "probed")
        (scene.directory / "answer").touch()
        after = until_line(process, "all ready")

        assert not any("ready" in line for line in before)
        assert any("web ready (" in line for line in after)

    def test_a_program_that_never_answers_is_killed_and_counted(self, scene: Scene) -> None:
        """Hanging is a way of failing."""
        process = supervise(
            scene,
            program("web", WAIT, probed=True, ready_timeout_seconds=0.2),
            budget={"restarts": 1, "first_delay_seconds": 0.01},
        )
        output = rest_of(process)

        assert output.count("did not answer within 0.2 s") == 2
        assert process.returncode == 1
        assert scene.processes() == {}

    def test_a_program_that_ends_before_it_answers_was_never_ready(self, scene: Scene) -> None:
        """Even if somebody else answers in its place."""
        (scene.directory / "answer").touch()
        process = supervise(
            scene,
            program("web", CRASH, probed=True),
            budget={"restarts": 0},
        )
        output = rest_of(process)

        assert "exited with status 3" in output
        assert process.returncode == 1


def test_every_kind_of_output_is_shown(scene: Scene) -> None:
    """Long lines, bytes that are no text, and a last line without an end."""
    code = (
        "import sys; out = sys.stdout.buffer; out.write(b'x' * 200_000 + b'\\n');"
        "out.write(b'caf\\xe9\\n'); sys.stderr.write('error\\n'); out.write(b'unfinished')"
    )
    output = rest_of(supervise(scene, program("web", code), budget={"restarts": 0}))
    lines = [line for line in output.splitlines() if line.startswith("web ")]

    assert sum(line.count("x") for line in lines) == 200_000
    assert "web       | caf\ufffd" in lines
    assert "web       | error" in lines
    assert "web       | unfinished" in lines
