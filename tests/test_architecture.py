"""Rules of the house that import contracts cannot state."""

import ast
from collections.abc import Iterator
from pathlib import Path

from slack_bolt.kwargs_injection.async_args import AsyncArgs

ROOT = Path(__file__).parents[1]
READS_ENVIRONMENT = {
    "core/settings.py": "options",
    "core/arrays.py": "numpy starts threads as it says",
    "core/router.py": "the reload command inherits it",
    "bot/playground/demo.py": "takes proxies away from the demo's loopback calls",
}
CONSTRUCTED_BY_APP = {"Access", "AsyncApp", "AsyncSocketModeHandler", "Desk", "Home", "Jobs", "Stories", "Telling"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("core", "bot"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def called(tree: ast.AST) -> set[str]:
    """Names of everything that is called by its plain name."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def test_only_the_settings_read_the_environment() -> None:
    """Nobody else looks at variables, except those whose reason is named here."""
    found = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
    }
    assert found == set(READS_ENVIRONMENT)


def test_only_the_app_constructs_the_bots_parts() -> None:
    """Whoever wants to know how the bot is put together reads one file."""
    found = {(name, part) for name, tree in modules() for part in called(tree) & CONSTRUCTED_BY_APP}
    assert found == {("bot/app.py", part) for part in CONSTRUCTED_BY_APP}


def test_listeners_ask_bolt_only_for_arguments_that_it_knows() -> None:
    """A misspelt argument would be None at three in the morning: Bolt only warns."""
    tree = next(tree for name, tree in modules() if name == "bot/app.py")
    listeners = [
        node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and any(map(is_listener, node.decorator_list))
    ]
    assert len(listeners) >= 5
    for listener in listeners:
        assert {argument.arg for argument in listener.args.args} <= set(AsyncArgs.__annotations__), listener.name


def is_listener(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "app"


def test_every_listener_acknowledges_first() -> None:
    """Slack waits three seconds: nothing stands before `await ack()`; a form is checked without looking anything up."""
    tree = next(tree for name, tree in modules() if name == "bot/app.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and any(map(is_listener, node.decorator_list)):
            first = ast.unparse(node.body[0])
            assert first in {"await ack()", "await ack(**forms.acknowledgement(body['view']))"}, node.name


def test_no_text_becomes_code_or_a_command_line() -> None:
    """No shell, no eval, no exec."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                raise AssertionError(f"{name}:{node.value.lineno}")
        assert not called(tree) & {"eval", "exec"}, name


def test_every_module_logs_through_the_redacting_log() -> None:
    """No logger but that of core/logs.py, so that every event is structured and none carries a secret; nothing is printed."""
    for name, tree in modules():
        if name.startswith("bot/playground/") or name in {"core/logs.py", "bot/cli.py"}:
            continue
        for node in ast.walk(tree):
            named = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            assert named not in {"getLogger", "get_logger", "basicConfig"}, name
        assert "print" not in called(tree), name
