"""A PostgreSQL cluster of the tests' own: made, started on a socket in its folder, and stopped."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

REQUIRED = "CIVICBENCH_REQUIRE_POSTGRESQL"
"""Set where tests must run on PostgreSQL, and fail where it is absent."""
_USER = "civicbench"
_START_S = 60
# Tests kill clients, never the machine: what protects from a power cut only takes time here.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "jit": "off",
}


def find_program(name: str) -> str | None:
    """Return a program of PostgreSQL's, from the path or from where Debian keeps it."""
    found = shutil.which(name)
    if found:
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(places[-1]) if places else None


class Cluster:
    """A running cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(host=str(self.folder), user=_USER, dbname=database, autocommit=True)

    def create(self, *, template: str = "template0") -> str:
        """Make a database and return its name."""
        self._made += 1
        name = f"registry_{self._made}"
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return name

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster, run it for the length of a block, and remove it."""
    initdb, postgres = find_program("initdb"), find_program("postgres")
    assert initdb
    assert postgres
    # A socket's path has to be short, so not in pytest's own folder.
    folder = Path(tempfile.mkdtemp(prefix="cb-pg-", dir="/tmp"))
    who = _unprivileged()
    try:
        if who is not None:
            os.chown(folder, who.pw_uid, who.pw_gid)
        account = {} if who is None else {"user": who.pw_uid, "group": who.pw_gid}
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C",
             "--no-sync", "--no-instructions"],
            check=True, capture_output=True, cwd=folder, extra_groups=[] if account else None,
            **account,
        )  # fmt: skip
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", data, "-k", folder, *options],
                stdout=log, stderr=log, cwd=folder, extra_groups=[] if account else None,
                **account,
            )  # fmt: skip
        cluster = Cluster(folder)
        try:
            _wait(cluster, server)
            yield cluster
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom to run as where this process is root, which initdb refuses."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("no account to run PostgreSQL under")


def _wait(cluster: Cluster, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            cluster.connect().close()
        except psycopg.OperationalError:
            told = (cluster.folder / "log").read_text()
            assert server.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.05)
        else:
            return
