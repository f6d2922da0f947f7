"""What is sent to Slack, and what the playground sends in Slack's place, compiled by Slack's own types for TypeScript."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.cli.examples import examples
from bot.commands.table import MODALS
from tests.support.recording import RECORDING
from tests.support.slack_types import HEAD, source

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv" / "slack_types"
"""Where `make` puts what tests/slack_types/package-lock.json names."""
STORIES = (
    "test_alerts.py::test_a_button_of_alertmanagers_own_message_freezes",
    "test_alerts.py::test_the_message_shortcut_freezes_because_of_any_message",
    "test_alerts.py::test_unfreezing_while_the_alert_fires_needs_the_box_and_a_reason",
    "test_break_glass.py::test_an_approver_breaks_the_glass_and_another_reviews_it",
    "test_break_glass.py::test_whoever_cannot_wait_brakes_alone_and_the_others_are_told",
    "test_daily_report.py",
    "test_enterprise_grid.py",
    "test_home.py::test_a_freeze_from_the_home_answers_in_its_modal",
    "test_home.py::test_a_request_is_approved_from_the_home",
    "test_home.py::test_what_slack_refuses_is_told_in_the_home_and_tried_again_from_there",
    "test_http_mode.py::test_a_form_that_a_shortcut_opened_is_answered_in_its_own_response",
    "test_modals.py::test_a_backup_is_picked_and_its_restore_waits_for_an_approval",
    "test_modals.py::test_a_denial_says_why",
    "test_modals.py::test_one_of_two_holds_is_lifted_with_what_was_found",
    "test_preflight.py::test_a_run_that_is_announced_can_be_skipped_and_then_promotes_nothing",
    "test_promotion_story.py::test_a_mistyped_word_gets_the_nearest_one",
    "test_promotion_story.py::test_a_promotion_goes_from_the_question_to_the_routers_settings",
    "test_promotion_story.py::test_status_names_stage_and_gates",
    "test_restore.py::test_a_state_is_backed_up_listed_and_restored_after_an_approval",
    "test_standing.py::test_a_drift_is_alarmed_once_and_ended_by_an_approvers_click",
    "test_standing.py::test_the_doctor_tells_in_slack_what_it_tells_at_the_terminal",
    "test_standing.py::test_why_and_next_are_answered_with_owners_and_ways_out",
    "test_stories.py",
)
"""Scenarios in which every method is called, every modal opened, and every kind of payload sent and acknowledged."""
CALLED = {"auth.test", "chat.postMessage", "chat.update", "conversations.history", "apps.connections.open", "users.info"} | {
    "files.completeUploadExternal",
    "files.getUploadURLExternal",
    "views.open",
    "views.publish",
    "views.update",
}
SENT = {
    "block_actions",
    "event_callback",
    "interactive_message",
    "message_action",
    "shortcut",
    "slash_command",
    "view_submission",
}
MISTAKES = {
    "a header in mrkdwn": 'Shown = { type: "header", text: { type: "mrkdwn", text: "x" } }',
    "a button without a text": 'Shown = { type: "actions", elements: [{ type: "button", action_id: "x" }] }',
    "a property that no button has": 'Shown = { type: "actions", elements: [{ type: "button", disabled: true, text: plain }] }',
    "a style that does not exist": 'Shown = { type: "actions", elements: [{ type: "button", style: "loud", text: plain }] }',
    "a block that does not exist": 'Shown = { type: "banner", text: plain }',
    "an input that is no input": 'Shown = { type: "input", label: plain, element: { type: "overflow", options: [] } }',
    "a modal without a title": 'Modal = { type: "modal", blocks: [] }',
    "a message without a channel": 'Sent<WebClient["chat"]["postMessage"]> = { text: "x" }',
    "an update without a ts": 'Sent<WebClient["chat"]["update"]> = { channel: "C1", text: "x" }',
    "an argument that does not exist": 'Sent<WebClient["chat"]["postMessage"]> = { channel: "C1", text: "x", loud: true }',
    "an acknowledgement of another kind": 'ViewResponseAction = { response_action: "close" }',
    "an answer for nobody": 'RespondArguments = { text: "x", response_type: "private" }',
    "a click without a trigger": 'Click = received({ type: "block_actions", token: "x", actions: [] })',
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What passed between the bot and the playground in the stories, run apart from every other test."""
    folder = tmp_path_factory.mktemp("recorded")
    inherited = {"PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited} | {RECORDING: str(folder)}
    options = ["-q", "--no-cov", "-p", "no:cacheprovider", "-p", "tests.support.recording", "-n", "2"]
    stories = [f"tests/scenarios/{story}" for story in STORIES]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *stories],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_text(encoding="utf-8").splitlines()]


def compiled(folder: Path, text: str) -> str:
    """What the compiler has to say about a module; "" if it has nothing to say."""
    assert (INSTALLED / "node_modules").is_dir(), "`make .venv/slack_types.stamp` installs Slack's types"
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "module": "preserve",
        "moduleResolution": "bundler",
        "target": "es2022",
        "types": [],
    }
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["recorded.ts"]}), encoding="utf-8")
    (folder / "recorded.ts").write_text(text, encoding="utf-8")
    (folder / "node_modules").symlink_to(INSTALLED / "node_modules", target_is_directory=True)
    compiler = INSTALLED / "node_modules" / "typescript" / "bin" / "tsc"
    node = shutil.which("node")
    assert node, "Debian's package nodejs is needed"
    run = subprocess.run([node, str(compiler), "-p", str(folder)], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def test_everything_that_is_sent_is_what_slacks_own_types_allow(
    recorded: list[dict[str, Any]], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Every call, view, block, acknowledgement and payload of the stories compiles, and nothing was left out of them."""
    kinds = Counter(line["kind"] for line in recorded)
    figure(f"compiled against Slack's types: {', '.join(f'{count} {kind}s' for kind, count in sorted(kinds.items()))}")
    assert {line["name"] for line in recorded if line["kind"] == "call"} >= CALLED
    assert {line["name"] for line in recorded if line["kind"] == "acknowledgement"} >= SENT
    opened = {line["value"]["view"]["callback_id"] for line in recorded if line["name"] in {"views.open", "views.update"}}
    assert opened >= set(MODALS) - {"silence", "shadow"}
    answered = {str((line["value"] or {}).get("response_action")) for line in recorded if line["name"] == "view_submission"}
    assert {"errors", "update"} <= answered
    assert compiled(tmp_path, source(recorded)) == ""


def test_an_example_of_everything_that_is_shown_is_what_slacks_own_types_allow(tmp_path: Path) -> None:
    """Each message, modal and home that `anr doctor --slack` shows to Slack."""
    sent = {"message": ("chat.postMessage", {"channel": "C1"}), "view": ("views.publish", {"user_id": "U1"})}
    recorded = []
    for example in examples():
        method, place = sent[example.kind]
        content = {"view": example.content} if example.kind == "view" else dict(example.content)
        recorded.append({"kind": "call", "name": method, "value": {**place, **content}})
    assert compiled(tmp_path, source(recorded)) == ""


def test_what_slacks_types_do_not_allow_is_told(tmp_path: Path) -> None:
    """Each mistake is one to the compiler: no check above is so wide that it lets everything through."""
    plain = 'const plain = { type: "plain_text" as const, text: "x" };\n'
    lines = [
        f"// @ts-expect-error {name}\nexport const wrong_{number}: {text};"
        for number, (name, text) in enumerate(MISTAKES.items())
    ]
    assert compiled(tmp_path, HEAD + plain + "\n".join(lines)) == ""
