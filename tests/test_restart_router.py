"""ops/kubernetes/restart_router.py against a stand-in of the API. The real API is a double here: it was run in no cluster."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "ops" / "kubernetes" / "restart_router.py"
OLD = {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
STEPS = [
    OLD,  # the controller has not looked yet
    {"observedGeneration": 5, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2},
    {"observedGeneration": 5, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3},  # an old pod still runs
    {"observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1},
    {"observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
]


class Api:
    """A Deployment that rolls out a step further at each look.

    Attributes:
        asked: method, path, type and token of each request, and the change that it asks for.
        refuses: whether it says that the account may not.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, str | None, Any]] = []
        self.refuses = False
        self._steps = iter(STEPS)
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(None)

            def do_PATCH(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def answer(self, change: Any) -> None:
                headers = self.headers["Content-Type"], self.headers["Authorization"]
                api.asked.append((self.command, self.path, *headers, change))
                found = {"metadata": {"generation": 5}, "spec": {"replicas": 2}, "status": next(api._steps)}
                body = b"deployments.apps is forbidden" if api.refuses else json.dumps(found).encode()
                self.send_response(403 if api.refuses else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def api() -> Iterator[Api]:
    stand_in = Api()
    thread = threading.Thread(target=stand_in.server.serve_forever)
    thread.start()
    yield stand_in
    stand_in.server.shutdown()
    thread.join()
    stand_in.server.server_close()


def restart(folder: Path, api: Api, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "namespace").write_text("nova-prod\n", encoding="ascii")
    (folder / "token").write_text("a-token\n", encoding="ascii")
    environment = {
        "PATH": os.environ["PATH"],
        "ANR_SERVICE_ACCOUNT": str(folder),
        "ANR_KUBERNETES_API": f"http://127.0.0.1:{api.server.server_port}",
    }
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_router_is_restarted_once_no_old_pod_is_left(tmp_path: Path, api: Api) -> None:
    """One change as `kubectl rollout restart` makes it, then looks: 0 only when every pod has started with the new settings."""
    ended = restart(tmp_path, api, "nova")
    assert (ended.returncode, ended.stderr) == (0, "")
    path = "/apis/apps/v1/namespaces/nova-prod/deployments/nova"
    (method, asked, kind, token, change), *looks = api.asked
    assert (method, asked, kind, token) == ("PATCH", path, "application/strategic-merge-patch+json", "Bearer a-token")
    assert list(change["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]
    assert [look[:2] for look in looks] == [("GET", path)] * (len(STEPS) - 1)


def test_a_refusal_of_the_api_is_told(tmp_path: Path, api: Api) -> None:
    """1 and what the API says, so that anr says that nothing was restarted."""
    api.refuses = True
    ended = restart(tmp_path, api, "nova")
    assert (ended.returncode, "(403): deployments.apps is forbidden" in ended.stderr) == (1, True)
    assert restart(tmp_path, api).returncode == 2
