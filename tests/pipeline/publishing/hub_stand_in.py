"""A stand-in for the Hugging Face hub on loopback: takes a repository, and remembers it."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_stand_in"


class Hub:
    """What was sent: repositories with whether they are private, their files, and the commits."""

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.files: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.address = ""


@contextmanager
def stand_in() -> Iterator[Hub]:
    """Serve a hub until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, value: Any, *, code: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = b""
                while size := int(self.rfile.readline(), 16):
                    parts += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return parts
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))

        def do_PUT(self) -> None:
            content = self._body()
            hub.large[hashlib.sha256(content).hexdigest()] = content
            self._answer({})

        def do_GET(self) -> None:
            self._answer({"error": "not here"}, code=404)

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer({"error": "who are you?"}, code=401)
                return
            path = self.path.partition("?")[0]
            if path == "/api/repos/create":
                told = json.loads(body)
                name = f"{told.get('organization') or ''}/{told['name']}".strip("/")
                private = told.get("private")
                if private is None:
                    private = told.get("visibility") == "private"
                hub.private[name] = private
                self._answer({"url": f"{hub.address}/{name}"})
            elif path == "/api/validate-yaml":
                self._answer({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                files = json.loads(body)["files"]
                self._answer(
                    {
                        "files": [
                            {
                                "path": one["path"],
                                "uploadMode": "lfs"
                                if one["path"].endswith(".safetensors")
                                else "regular",
                                "shouldIgnore": False,
                            }
                            for one in files
                        ]
                    }
                )
            elif path.endswith("/info/lfs/objects/batch"):
                objects = json.loads(body)["objects"]
                self._answer(
                    {
                        "transfer": "basic",
                        "objects": [
                            {
                                **one,
                                "actions": {"upload": {"href": f"{hub.address}/put/{one['oid']}"}},
                            }
                            for one in objects
                        ],
                    }
                )
            elif "/commit/" in path:
                for line in body.splitlines():
                    told = json.loads(line)
                    value = told["value"]
                    if told["key"] == "header":
                        hub.messages.append(value["summary"])
                    elif told["key"] == "file":
                        hub.files[value["path"]] = base64.b64decode(value["content"])
                    elif told["key"] == "lfsFile":
                        hub.files[value["path"]] = hub.large[value["oid"]]
                self._answer(
                    {
                        "success": True,
                        "commitOid": "c" * 40,
                        "commitUrl": f"{hub.address}/a/b/commit/{'c' * 40}",
                    }
                )
            else:
                self._answer({"error": f"nothing at {path}"}, code=404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
