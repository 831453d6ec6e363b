"""An SFTP server on loopback that shows the files of one folder."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

USER, PASSWORD = "reader", "q83vASN-FZ4"


class _Login(paramiko.ServerInterface):  # type: ignore[misc]  # it has no types
    def check_auth_password(self, username: str, password: str) -> int:
        is_known = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002  # of the base class
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]  # it has no types
    folder = Path()

    def _real(self, path: str) -> Path:
        return Path(f"{self.folder}{self.canonicalize(path)}")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        return [
            paramiko.SFTPAttributes.from_stat(child.stat(), child.name)
            for child in sorted(self._real(path).iterdir())
        ]

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:  # noqa: ARG002
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = self._real(path).open("rb")  # the handle closes it
        return handle


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Yield the host and port of a server with the files of a folder."""
    key = paramiko.ECDSAKey.generate()
    files = type("Files", (_Files,), {"folder": folder})
    transports: list[paramiko.Transport] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
            transport.start_server(server=_Login())
            transports.append(transport)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in transports:
                transport.close()
