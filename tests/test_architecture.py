"""Rules of the house that import contracts cannot state."""

import ast
from collections.abc import Iterator
from pathlib import Path

from slack_bolt.kwargs_injection.async_args import AsyncArgs

ROOT = Path(__file__).parents[1]
READS_ENVIRONMENT = {
    "bot/cli/main.py": "what a running bot needs to know of a terminal",
    "core/settings/settings.py": "options",
    "core/settings/terminal.py": "at the terminal no variable decides who may what",
    "core/system/arrays.py": "numpy starts threads as it says",
    "core/system/processes.py": "the restart command gets what is on a list of it",
    "core/system/service_manager.py": "systemd says there where it listens",
    "bot/playground/demo.py": "takes proxies away from the demo's loopback calls",
}
CONSTRUCTED_BY_APP = {"Access", "AsyncApp", "AsyncSocketModeHandler", "Dispatcher", "Home", "Jobs", "Stories", "StoryComposer"}


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
    of_examples = {("bot/cli/examples.py", "StoryComposer")}  # tells the stories of a router that does not exist
    assert found == {("bot/app.py", part) for part in CONSTRUCTED_BY_APP} | of_examples


def test_only_the_constructors_fill_in_a_receipt() -> None:
    """What an action's receipt states is written in one place; one other adds what every receipt carries."""
    found = {(name, made) for name, tree in modules() for made in called(tree) & {"Statement", "Draft", "Receipt"}}
    assert {name for name, made in found if made == "Statement"} == {
        f"core/receipts/drafts/{subject}.py"
        for subject in ("alerts", "brakes", "moves", "requests", "schedule", "sightings", "upkeep")
    }
    assert {(name, made) for name, made in found if made != "Statement"} == {
        ("core/target/target.py", "Draft"),
        ("core/receipts/chain.py", "Receipt"),
    }


def test_listeners_ask_bolt_only_for_arguments_that_it_knows() -> None:
    """A misspelt argument would be None at three in the morning: Bolt only warns."""
    tree = next(tree for name, tree in modules() if name == "bot/surfaces/listeners.py")
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
    tree = next(tree for name, tree in modules() if name == "bot/surfaces/listeners.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and any(map(is_listener, node.decorator_list)):
            first = ast.unparse(node.body[0])
            assert first in {"await ack()", "await ack(**modals.acknowledgement(body['view']))"}, node.name


def test_no_text_becomes_code_or_a_command_line() -> None:
    """No shell, no eval, no exec."""
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                raise AssertionError(f"{name}:{node.value.lineno}")
        assert not called(tree) & {"eval", "exec"}, name


def test_every_module_logs_through_the_redacting_log() -> None:
    """Only core/system/logs.py makes loggers, so that every event is structured and none carries a secret; nothing is printed."""
    for name, tree in modules():
        if name.startswith("bot/playground/") or name in {"core/system/logs.py", "bot/cli/main.py"}:
            continue
        for node in ast.walk(tree):
            named = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            assert named not in {"getLogger", "get_logger", "basicConfig"}, name
        assert "print" not in called(tree), name


WITHOUT_A_TEST_OF_THEIR_OWN = frozenset(
    {
        "core/actors.py",
        "core/backtest/chart.py",
        "core/backtest/history.py",
        "core/backtest/ledgers.py",
        "core/brake/alertmanager.py",
        "core/brake/answers.py",
        "core/brake/lift.py",
        "core/canonical.py",
        "core/cli/commands/backtest.py",
        "core/cli/commands/ledger.py",
        "core/cli/commands/watch.py",
        "core/cli/context.py",
        "core/cli/output.py",
        "core/errors.py",
        "core/gates/policy.py",
        "core/ledger/tally.py",
        "core/ledger/window.py",
        "core/operations/apply.py",
        "core/watch/recover.py",
        "core/operations/results.py",
        "core/receipts/evidence.py",
        "core/rollout/break_glass.py",
        "core/router/marks.py",
        "core/scan/measure.py",
        "core/settings/surfaces.py",
        "core/settings/target.py",
        "core/system/arrays.py",
        "core/system/clock.py",
        "core/system/log_format.py",
        "core/system/progress.py",
        "core/target/alert_path.py",
        "core/target/order.py",
        "core/target/overview.py",
        "core/target/target.py",
        "core/upkeep/packing.py",
        "core/upkeep/rotation.py",
        "bot/app.py",
        "bot/blockkit/fields.py",
        "bot/blockkit/post.py",
        "bot/cli/main.py",
        "bot/cli/table.py",
        "bot/commands/command.py",
        "bot/dispatch/channel.py",
        "bot/dispatch/progress.py",
        "bot/dispatch/request.py",
        "bot/http/lane.py",
        "bot/http/server.py",
        "bot/http/webhook.py",
        "bot/observing.py",
        "bot/playground/demo.py",
        "bot/playground/people/delivery.py",
        "bot/playground/people/payloads.py",
        "bot/playground/people/people.py",
        "bot/playground/people/responses.py",
        "bot/playground/process.py",
        "bot/playground/router/decisions.py",
        "bot/playground/router/history.py",
        "bot/playground/router/ledger.py",
        "bot/playground/router/pages.py",
        "bot/playground/router/reload.py",
        "bot/playground/router/settings.py",
        "bot/playground/router/state.py",
        "bot/playground/router/switches.py",
        "bot/playground/workspace/app_manifest.py",
        "bot/playground/workspace/blocks.py",
        "bot/playground/workspace/workspace.py",
        "bot/slack/calls.py",
        "bot/slack/deliveries.py",
        "bot/slack/errors.py",
        "bot/stories/alerts.py",
        "bot/stories/notices.py",
        "bot/surfaces/buttons.py",
        "bot/surfaces/home.py",
        "bot/surfaces/listeners.py",
        "bot/surfaces/modals.py",
        "bot/surfaces/shortcuts.py",
        "bot/surfaces/slash.py",
        "bot/views/outlook.py",
    }
)
"""Modules that are tested through others, so far: this table may only become shorter."""
RUN_BY_ALEMBIC = "core/journal/schema/env.py", "core/journal/schema/versions/"
"""Tested by the migrations that they are: tests/core/journal/schema/test_migrate.py."""


def test_every_module_has_its_test_beside_its_twin() -> None:
    """`tests/core/gates/test_guard.py` tests `core/gates/guard.py`: whoever changes a module knows where its tests are."""
    names = [name for name, _ in modules() if not name.startswith(RUN_BY_ALEMBIC)]
    found = [Path(name) for name in names if not Path(name).name.startswith("__")]
    without = {module.as_posix() for module in found if not (ROOT / "tests" / module.parent / f"test_{module.name}").exists()}
    assert without - WITHOUT_A_TEST_OF_THEIR_OWN == set(), "give each of these a test of its own"
    assert WITHOUT_A_TEST_OF_THEIR_OWN - without == set(), "these have a test now, or are gone: take them out of the table"


WITHOUT_ARGUMENTS_STATED = {"core": 0, "bot": 15}
"""How many public functions with four parameters or more do not state them, so far: these numbers may only become smaller."""
WITHOUT_ATTRIBUTES_STATED = {"core": 0, "bot": 15}
"""How many public dataclasses with two attributes or more do not state them, so far: as above."""


def public(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions, methods and classes that others use: no name on the way to them begins with an underscore."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def states_too_little(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    told = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        names = [
            statement.target.id
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        ]
        is_dataclass = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
        return is_dataclass and sum(not name.startswith("_") for name in names) >= 2 and "Attributes:" not in told
    if any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
        return False  # the definition that follows states them
    arguments = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)} - {"self", "cls"}
    return len(arguments) >= 4 and "Args:" not in told


def test_who_reads_a_function_of_four_parameters_is_told_what_each_is() -> None:
    """In which units and shapes; so are the attributes of a dataclass. What no docstring states is counted, and becomes less."""
    functions, classes = dict.fromkeys(("core", "bot"), 0), dict.fromkeys(("core", "bot"), 0)
    for name, tree in modules():
        if name.startswith(("core/cli/commands/", "bot/cli/")):
            continue  # a command's options state themselves in its help
        for node in filter(states_too_little, public(tree)):
            counted = classes if isinstance(node, ast.ClassDef) else functions
            counted[name.partition("/")[0]] += 1
    for part in ("core", "bot"):
        assert functions[part] <= WITHOUT_ARGUMENTS_STATED[part], f"{part}: state the arguments of what is new (Google style)"
        assert classes[part] <= WITHOUT_ATTRIBUTES_STATED[part], f"{part}: state the attributes of what is new (Google style)"
