"""ops/container, ops/kubernetes and ops/windows against schemas and rules that others published.

No container engine and no cluster runs here. What was checked without, and what was not, stands in docs/service.md.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from core.settings.settings import Settings, load

ROOT = Path(__file__).parents[1]
OPS, SCHEMAS = ROOT / "ops", ROOT / "tests" / "published_schemas"
CONTAINERFILE = (OPS / "container" / "Containerfile").read_text(encoding="utf-8")


def objects() -> list[dict[str, Any]]:
    """What ops/kubernetes/anr.yaml makes."""
    return list(yaml.safe_load_all((OPS / "kubernetes" / "anr.yaml").read_text(encoding="utf-8")))


def one(kind: str) -> dict[str, Any]:
    (found,) = (made for made in objects() if made["kind"] == kind)
    return found


def wrong_in(made: dict[str, Any]) -> list[str]:
    """What the API's schema says against an object."""
    published = json.loads((SCHEMAS / "kubernetes" / "kubernetes-1.37.0.json").read_text(encoding="utf-8"))
    schema = {**published["kinds"][made["kind"]], "definitions": published["definitions"]}
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in Draft7Validator(schema).iter_errors(made)]


# --- Kubernetes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", objects(), ids=lambda made: made["kind"])
def test_the_api_of_kubernetes_would_take_each_object(made: dict[str, Any]) -> None:
    """By its own schema, strictly: neither an unknown field nor a value of another kind."""
    assert wrong_in(made) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("spec", "replicas"), "one", id="a-word-for-a-number"),
        pytest.param(("spec", "template", "spec", "containers", 0, "readinesProbe"), {}, id="misspelt"),
        pytest.param(("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), "3000", id="text-for-a-port"),
    ],
)
def test_the_schema_finds_what_the_api_would_refuse(path: tuple[Any, ...], value: object) -> None:
    """What the test above stands on: a mistake is one."""
    deployment = one("Deployment")
    inner: Any = deployment
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    assert len(wrong_in(deployment)) == 1


def test_one_bot_runs_as_nobody_and_writes_only_where_it_has_to() -> None:
    """As the Restricted profile of Kubernetes's Pod Security Standards asks, with a file system that is read-only."""
    spec = one("Deployment")["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    assert asked["liveness"] in said_of_health()
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert all("subPath" not in mount for mount in mounts.values())
    assert {name for name, mount in mounts.items() if not mount.get("readOnly")} == {"state", "router", "tmp"}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)


def test_its_rights_are_to_restart_one_deployment() -> None:
    """Neither other objects nor other verbs; the role is bound to the account of the pod and nobody else."""
    (rule,) = one("Role")["rules"]
    assert rule == {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["nova"], "verbs": ["get", "patch"]}
    binding = one("RoleBinding")
    assert (binding["roleRef"]["name"], binding["subjects"]) == ("anr", [{"kind": "ServiceAccount", "name": "anr"}])
    assert one("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == one("ServiceAccount")["metadata"]["name"]


def accepted(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load options as a container has them; its secrets are elsewhere here."""
    tomllib.loads(text)
    (folder / "anr.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", str(folder / "anr.toml"))
    return load()


def test_the_options_in_the_config_map_are_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one is known; what is written lies in mounted folders, and each secret is one of the Secret."""
    found = accepted(one("ConfigMap")["data"]["anr.toml"], tmp_path, monkeypatch)
    mounted = ("/var/lib/anr", "/srv/nova")
    target = found.target
    written = (target.journal, target.receipts_dir, target.run_dir, target.backups_dir, target.archive_dir, target.settings_file)
    assert all(str(path).startswith(mounted) for path in written)
    files = {found.slack.bot_token_file, found.slack.app_token_file, found.alerts.token_file}
    assert {file.name for file in files if file is not None} == set(one("Secret")["stringData"])
    script = target.reload_command[1].partition("bot/share/")[2]
    assert (ROOT / script).is_file()
    assert target.reload_command[2:] == tuple(one("Role")["rules"][0]["resourceNames"])


# --- the image and compose --------------------------------------------------------------------------------------------


def said_of_health() -> str:
    """The words of the image's own check of its health."""
    return dict(instructions())["HEALTHCHECK"]


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions in order, continued lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def test_the_image_is_built_from_pinned_parts_and_runs_as_nobody() -> None:
    """The rules of hadolint that matter here: not root (DL3002), a version (DL3006, DL3007), COPY (DL3020), arguments as a list
    (DL3025), no cache of pip (DL3042), a health check (DL3057), no maintainer (DL4000); and the lock with its digests.
    """  # noqa: D205 - one sentence
    found = instructions()
    words = [word for word, _ in found]
    bases = {rest.split()[0] for word, rest in found if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:\d+\.\d+\.\d+-slim-bookworm", bases.pop())
    assert not {"ADD", "MAINTAINER", "ONBUILD"} & set(words)
    said = dict(found)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["USER"])
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "RUN")
    assert json.loads(said["ENTRYPOINT"]) == ["anr"]
    assert json.loads(said["CMD"]) == ["bot"]
    assert said["HEALTHCHECK"].startswith("--interval=")
    assert said["STOPSIGNAL"] == "SIGTERM"
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert all("--no-cache-dir" in rest for rest in installs)
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps" in installs[1]
    assert not any("sudo" in rest or "curl" in rest or "apt-get upgrade" in rest for _, rest in found)


def test_everything_that_the_image_copies_is_there_and_nothing_secret_can_be() -> None:
    """Only what is named leaves the folder for the build, and the folder of secrets does not."""
    copied = {name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == {name.removeprefix("./") for name in copied}
    assert ignored.index("ops/container/secrets") > ignored.index("!ops")


def test_compose_takes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the Compose Specification's own schema; every image has a version, every service gives up its rights."""
    compose = yaml.safe_load((OPS / "container" / "compose.yml").read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "compose" / "compose-spec.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(compose)] == []
    compose["services"]["anr"]["volume"] = []
    assert len(list(Draft7Validator(schema).iter_errors(compose))) == 1
    for name, service in compose["services"].items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for mount in service["volumes"]:
            host = mount.partition(":")[0]
            assert not host.startswith(".") or (OPS / "container" / host).exists(), mount
    options = accepted((OPS / "container" / "anr.toml").read_text(encoding="utf-8"), tmp_path, monkeypatch)
    files = (options.slack.bot_token_file, options.slack.app_token_file, options.alerts.token_file)
    assert {file.name for file in files if file is not None} == set(compose["services"]["anr"]["secrets"])


# --- Windows ----------------------------------------------------------------------------------------------------------


def test_each_task_runs_a_command_of_anr() -> None:
    """The bot, the look and the scheduled run; that the tasks are ones is Microsoft's schema's to say (tests/e2e)."""
    tasks = {path.stem: path.read_text(encoding="utf-8") for path in (OPS / "windows").glob("*.xml")}
    words = {name: re.findall(r"<Arguments>(.*)</Arguments>", text) for name, text in tasks.items()}
    assert words == {"anr-bot": ["bot"], "anr-watch": ["watch"], "anr-daily": ["daily"]}
