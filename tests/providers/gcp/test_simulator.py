"""The simulator's one process: ready, stopped, and nothing of it left, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from faasbridge.errors import ConfigError
from faasbridge.simulation import servers
from faasbridge_gcp.simulator import java_classes
from faasbridge_gcp.simulator.cloud import short_folder

sys.path.insert(0, str(Path(__file__).parent))

from simulated_cloud import COMMAND, PARENT, SimulatedCloud, wait_until

HELLO = "def handle(request):\n    return 'hello'\n"


def of_session(pid: int) -> list[str]:
    """Command lines of the processes below one, in whatever sessions they are."""
    table = subprocess.run(["ps", "-ewwo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    found, ids = [], {str(pid)}
    while more := [row for row in rows if row[1] in ids and row[0] not in ids]:
        ids |= {row[0] for row in more}
        found += [" ".join(row) for row in more]
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> list[int]:
    found = [int(row.split()[0]) for row in of_session(pid)]
    assert len(found) >= 5, "two emulators, the storage, and a function's two processes should run"
    return found


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_no_process_is_left_however_it_ends(tmp_path: Path, how: str) -> None:
    process, server = servers.launch([*COMMAND, "--test"], tmp_path, detached=how != "closed")
    try:
        cloud = SimulatedCloud(server)
        function = cloud.publicly(cloud.deploy("hello", HELLO))
        assert httpx.get(function.url).text == "hello"
        pids = children(process.pid)
        if how == "closed":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.kill()
        code = process.wait(20)
    finally:
        servers.end(process)

    assert code == (-signal.SIGKILL if how == "killed" else 0)
    wait_until(lambda: not [pid for pid in pids if alive(pid)])
    assert servers.running(tmp_path) is None


def test_it_ends_while_it_starts(tmp_path: Path) -> None:
    command = [*COMMAND, "--test", "--folder", str(tmp_path), "--attached"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        wait_until(lambda: any("emulator" in each for each in of_session(process.pid)))
        pids = [int(row.split()[0]) for row in of_session(process.pid)]
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        servers.end(process)
    wait_until(lambda: not [pid for pid in pids if alive(pid)])


def test_missing_emulators_are_said_with_the_command_that_gets_them(tmp_path: Path) -> None:
    sdk = tmp_path / "sdk"
    (sdk / "bin").mkdir(parents=True)
    gcloud = sdk / "bin" / "gcloud"
    gcloud.write_text("#!/bin/sh\n")
    gcloud.chmod(0o755)
    env = {**os.environ, "PATH": f"{gcloud.parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("CLOUDSDK_ROOT_DIR", None)

    with pytest.raises(ConfigError, match="gcloud components install cloud-firestore-emulator pubsub-emulator"):
        servers.launch([*COMMAND, "--test"], tmp_path / "server", env=env)


def test_emulators_start_with_the_classes_that_were_archived(tmp_path: Path) -> None:
    process, _ = servers.launch([*COMMAND, "--test"], tmp_path)
    try:
        commands = [each for each in of_session(process.pid) if "emulator" in each and "java" in each]
        archives = [Path(each.partition("-XX:SharedArchiveFile=")[2].split()[0]) for each in commands]
        assert len(archives) == 2
        assert all(path.stat().st_size > 1_000_000 for path in archives)
    finally:
        servers.end(process)


def test_a_java_that_archives_nothing_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAASBRIDGE_CACHE", str(tmp_path / "cache"))
    java, asked = tmp_path / "java", tmp_path / "asked"
    java.write_text(f"#!/bin/sh\necho x >>{asked}\necho 'Unrecognized VM option' >&2\nexit 1\n")
    java.chmod(0o755)
    for _ in range(2):
        assert java_classes.options([str(java), "Main", "--host=127.0.0.1"], str(java)) == []
    assert asked.read_text() == "x\n"


def test_a_function_is_gone_with_its_processes(tmp_path: Path) -> None:
    process, server = servers.launch([*COMMAND, "--test"], tmp_path)
    try:
        cloud = SimulatedCloud(server)
        before = set(of_session(process.pid))
        cloud.deploy("brief", HELLO)
        assert len(of_session(process.pid)) > len(before)
        cloud.functions.delete_function(name=f"{PARENT}/functions/brief").result(timeout=20)
        assert set(of_session(process.pid)) == before
    finally:
        servers.end(process)


def test_it_ends_and_says_so_when_an_emulator_dies(tmp_path: Path) -> None:
    process, _ = servers.launch([*COMMAND, "--test"], tmp_path, detached=True)
    try:
        [emulator] = [int(row.split()[0]) for row in of_session(process.pid) if "pubsub" in row]
        os.kill(emulator, signal.SIGKILL)
        assert process.wait(20) == 1
        assert "the Pub/Sub emulator ended" in (tmp_path / "server.log").read_text()
    finally:
        servers.end(process)


@pytest.mark.parametrize(("given", "kept"), [({}, "ERROR"), ({"GRPC_VERBOSITY": "debug"}, "debug")])
def test_a_command_says_nothing_of_a_connection_that_a_server_ends(given: dict[str, str], kept: str) -> None:
    """grpc's core would write a line when the last `destroy` of a simulator ends it: it is told before it is loaded."""
    code = (
        "import os, sys; from pathlib import Path; from faasbridge.provider import Stage; "
        "from faasbridge_gcp.plugin import Gcp; assert 'grpc' not in sys.modules; "
        "Gcp().simulated_deployer(Stage('shop', 'dev', 'gcp', Path())); print(os.environ['GRPC_VERBOSITY'])"
    )
    env = {**{name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}, **given}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == kept


def test_sockets_that_a_killed_server_left_go_with_the_next(tmp_path: Path) -> None:
    """Where the state's folder has too long a path for them, they lie in the folder for temporary files."""
    found = short_folder(tmp_path / "state")
    (found / "1:8080").touch()
    assert short_folder(tmp_path / "state") == found
    assert list(found.iterdir()) == []
    assert found.stat().st_mode & 0o777 == 0o700
    assert short_folder(tmp_path / "other") not in (found, short_folder(tmp_path / "state"))
    for name in ("state", "other"):
        short_folder(tmp_path / name).rmdir()
