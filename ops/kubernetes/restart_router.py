"""`restart_router.py DEPLOYMENT`: restart the router's pods as `kubectl rollout restart` does, and wait for the new ones.

A `reload_command` for a bot in the same cluster and namespace, which needs nothing but Python's standard library, the pod's own
service account, and the right to get and patch that one Deployment (anr.yaml). It ends with 0 once every pod was started with the
settings that stand in the file; anr ends it when `reload_timeout_s` is over. Excluded: anything else.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("ANR_SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
_REQUEST_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_BYTES_MAX = 4 << 20
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def main(arguments: list[str]) -> int:
    """Restart a Deployment.

    Args:
        arguments: its name alone.

    Returns:
        0 if every pod is a new one, 1 if that could not be brought about, 2 for wrong usage.
    """
    if len(arguments) != 1:
        sys.stderr.write("Nothing was restarted. Usage: restart_router.py DEPLOYMENT\n")
        return 2
    try:
        now = datetime.now(UTC).isoformat()
        change = {"spec": {"template": {"metadata": {"annotations": {_RESTARTED_AT: now}}}}}
        deployment = _ask(arguments[0], change)
        while not is_rolled_out(deployment):
            time.sleep(_LOOK_SECONDS)
            deployment = _ask(arguments[0])
    except urllib.error.HTTPError as error:
        said = error.read(2_000).decode("utf-8", "replace")
        sys.stderr.write(f"The API refused it ({error.code}): {said}\n")
        return 1
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"Whether the router was restarted is not known: {error!r}\n")
        return 1
    return 0


def is_rolled_out(deployment: Any) -> bool:
    """Whether every pod of a Deployment is of its newest template, and no old one is left (as `kubectl rollout status` asks)."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def _ask(name: str, change: Any = None) -> Any:
    """Get a Deployment, or change it, and return it as it is then."""
    namespace = (ACCOUNT / "namespace").read_text(encoding="ascii").strip()
    token = (ACCOUNT / "token").read_text(encoding="ascii").strip()
    base = os.environ.get("ANR_KUBERNETES_API") or "https://kubernetes.default.svc"
    request = urllib.request.Request(
        f"{base}/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        data=None if change is None else json.dumps(change).encode(),
        method="GET" if change is None else "PATCH",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/strategic-merge-patch+json"},
    )
    certificate = ACCOUNT / "ca.crt"
    trusted = ssl.create_default_context(cafile=str(certificate)) if certificate.exists() else None
    with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS, context=trusted) as answer:
        return json.loads(answer.read(_BYTES_MAX))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
