"""What passed between Slack and the app, written as TypeScript that compiles only where Slack's own types allow it.

`@slack/types` and `@slack/web-api` describe what an app sends, `@slack/bolt` what Slack sends and how it may be acknowledged;
tests/slack_types has the lock of their versions. Their calls take any block that has a type, so that blocks are compiled apart
as the ones that Slack knows. Excluded: recording (tests/support/recording.py) and running the compiler.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HEAD = """\
import type { HomeView, KnownBlock, ModalView, SlackEvent } from "@slack/types";
import type { WebClient } from "@slack/web-api";
import type {
  BlockAction, BlockElementAction, GlobalShortcut, InteractiveMessage, MessageShortcut, RespondArguments, SlashCommand,
  ViewClosedAction, ViewResponseAction, ViewSubmitAction,
} from "@slack/bolt";

// https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block, which the types lack
interface DataVisualization {
  type: "data_visualization";
  block_id?: string;
  title: string;
  chart:
    | { type: "pie"; segments: { label: string; value: number }[] }
    | {
        type: "bar" | "area" | "line";
        series: { name: string; data: { label: string; value: number }[] }[];
        axis_config: { categories: string[]; x_label?: string; y_label?: string };
      };
}
type Shown = KnownBlock | DataVisualization;
type Modal = Omit<ModalView, "blocks"> & { blocks: Shown[] };
type HomeTab = Omit<HomeView, "blocks"> & { blocks: Shown[] };
// Bolt for Python names the workspace in every call, which methods that need it not do not look at
type Sent<Method extends (...given: never[]) => unknown> = NonNullable<Parameters<Method>[0]> & { team_id?: string };

// Slack sends more than the types have, null for no organisation, and the confirmation of a block where they have another's
type Writable<T> = { -readonly [Key in keyof T]: Writable<T[Key]> };
declare function received<const T>(payload: T): Writable<T>;
type Plain<T> = T extends unknown ? Omit<T, "enterprise"> & { enterprise?: { id: string; name: string } | null } : never;
type Click = Omit<Plain<BlockAction>, "actions" | "response_url">
  & { actions: (BlockElementAction extends infer A ? (A extends unknown ? Omit<A, "confirm"> : never) : never)[] };
type Legacy = Omit<Plain<InteractiveMessage>, "original_message"> & { original_message: { [key: string]: unknown } };
interface Event {
  type: "event_callback"; token: string; team_id: string; api_app_id: string; event: SlackEvent; event_id: string;
  event_time: number;
}

"""
_NUMBERS, _FLAGS, _STRUCTURES = {"length", "limit"}, {"include_all_metadata"}, {"files", "blocks", "view", "message"}
_PAYLOADS = {
    "block_actions": "Click",
    "event_callback": "Event",
    "interactive_message": "Legacy",
    "message_action": "Plain<MessageShortcut>",
    "shortcut": "Plain<GlobalShortcut>",
    "slash_command": "SlashCommand",
    "view_closed": "Plain<ViewClosedAction>",
    "view_submission": "Plain<ViewSubmitAction>",
}
_ACKNOWLEDGEMENTS = {
    "slash_command": "string | RespondArguments",
    "view_submission": "ViewResponseAction",
}
"""What an acknowledgement may say; nothing to whatever is not here."""


def source(recorded: Iterable[Mapping[str, Any]]) -> str:
    """Return a module that compiles if, and only if, everything that was recorded is as Slack's types have it.

    Args:
        recorded: lines of tests/support/recording.py; the same again is compiled once.
    """
    statements = dict.fromkeys(statement for line in recorded for statement in _of(line))
    numbered = (f"export const {name}_{number}: {text};" for number, (name, text) in enumerate(statements))
    return HEAD + "\n".join(numbered) + "\n"


def _of(line: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind, name, value = line["kind"], line["name"], line["value"]
    match kind:
        case "call":
            arguments = {key: _as_sent(key, argument) for key, argument in value.items()}
            yield "call", f"Sent<WebClient{_path(name)}> = {_text(_without_charts(arguments))}"
            yield from _content(arguments)
        case "answer":
            yield "answer", f"RespondArguments = {_text(_without_charts(value))}"
            yield from _content(value)
        case "acknowledgement" if value:
            yield "acknowledgement", f"{_ACKNOWLEDGEMENTS.get(name, 'undefined')} = {_text(_without_charts(value))}"
            yield from _content(value if isinstance(value, dict) else {})
        case "payload":
            yield "payload", f"{_PAYLOADS[name]} = received({_text(value)})"


def _content(holder: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if holder.get("blocks"):
        yield "blocks", f"Shown[] = {_text(holder['blocks'])}"
    if view := holder.get("view"):
        yield "view", f"{'HomeTab' if view['type'] == 'home' else 'Modal'} = {_text(view)}"


def _without_charts(part: Any) -> Any:
    """Leave out the blocks that the types lack; they are compiled with all others, apart."""
    if isinstance(part, list):
        return [_without_charts(one) for one in part if not (isinstance(one, dict) and one.get("type") == "data_visualization")]
    return {name: _without_charts(value) for name, value in part.items()} if isinstance(part, dict) else part


def _path(method: str) -> str:
    return "".join(f'["{part}"]' for part in method.split("."))


def _as_sent(name: str, value: Any) -> Any:
    """Return an argument as the types describe it: forms carry numbers, truths and structures as text."""
    if not isinstance(value, str):
        return value
    if name in _NUMBERS:
        return int(value)
    if name in _FLAGS:
        return value in {"1", "true"}
    return json.loads(value) if name in _STRUCTURES and value[:1] in {"[", "{"} else value


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)
