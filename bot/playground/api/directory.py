"""The Web API methods that tell who and what is there: auth, users, user groups and conversations.

Excluded: writing anything.
"""

from bot.playground.api.web_api import Call
from bot.playground.workspace.workspace import APP_ID, BOT_ID, BOT_USER, TEAM_ID, TEAM_NAME, Channel, Json, SlackRefusal, User


def auth_test(call: Call) -> Json:
    """auth.test: whose token this is."""
    return {
        "url": f"{call.base_url}/",
        "team": TEAM_NAME,
        "user": call.workspace.users[BOT_USER].name,
        "team_id": TEAM_ID,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": call.workspace.org_wide,
        **({"enterprise_id": call.workspace.enterprise_id} if call.workspace.enterprise_id else {}),
    }


def api_test(call: Call) -> Json:
    """api.test: gives back its arguments, or the error asked for."""
    if error := call.arguments.text("error"):
        raise SlackRefusal(error)
    return {"args": call.arguments.values}


def users_info(call: Call) -> Json:
    """users.info: one person."""
    user = call.workspace.users.get(call.arguments.required("user", "user_not_found"))
    if user is None:
        raise SlackRefusal("user_not_found")
    return {"user": _person(user, call.workspace.enterprise_id)}


def users_list(call: Call) -> Json:
    """users.list: everybody, by pages."""
    workspace = call.workspace
    users, metadata = call.page([_person(user, workspace.enterprise_id) for user in workspace.users.values()])
    return {"members": users, "cache_ts": int(workspace.clock()), "response_metadata": metadata}


def usergroups_users_list(call: Call) -> Json:
    """usergroups.users.list: the people of one group."""
    group = call.workspace.usergroups.get(call.arguments.required("usergroup", "no_such_subteam"))
    if group is None:
        raise SlackRefusal("no_such_subteam")
    return {"users": list(group)}


def conversations_info(call: Call) -> Json:
    """conversations.info: one conversation; a private one exists only for its members."""
    return {"channel": _described(_visible(call))}


def conversations_list(call: Call) -> Json:
    """conversations.list: the public channels, and the private ones that the bot is in."""
    channels = [c for c in call.workspace.channels.values() if not c.is_im]
    if call.arguments.flag("exclude_archived"):
        channels = [c for c in channels if not c.is_archived]
    page, metadata = call.page([_described(c) for c in channels if not c.is_private or BOT_USER in c.members])
    return {"channels": page, "response_metadata": metadata}


def conversations_members(call: Call) -> Json:
    """conversations.members: user ids, by pages."""
    members, metadata = call.page(sorted(_visible(call).members))
    return {"members": members, "response_metadata": metadata}


def conversations_history(call: Call) -> Json:
    """conversations.history: newest first, without the replies in threads; metadata only if it is asked for."""
    channel = _visible(call)
    needed = "groups:history" if channel.is_private else "channels:history"
    if needed not in call.grant.scopes:
        raise SlackRefusal("missing_scope", needed=needed, provided=",".join(sorted(call.grant.scopes)))
    if BOT_USER not in channel.members:
        raise SlackRefusal("not_in_channel")
    messages = [m for m in channel.messages.values() if m.get("thread_ts", m["ts"]) == m["ts"]]
    oldest, latest = call.arguments.text("oldest", "0"), call.arguments.text("latest", "99999999999")
    inclusive = call.arguments.flag("inclusive")
    try:
        low, high = float(oldest), float(latest)
    except ValueError:
        raise SlackRefusal("invalid_ts_oldest") from None
    inside = [m for m in messages if low < float(m["ts"]) < high or (inclusive and m["ts"] in (oldest, latest))]
    page, metadata = call.page(_as_late(call, inside)[::-1])
    if not call.arguments.flag("include_all_metadata"):
        page = [{name: value for name, value in message.items() if name != "metadata"} for message in page]
    return {"messages": page, "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata}


def conversations_replies(call: Call) -> Json:
    """conversations.replies: a thread with its parent, oldest first."""
    channel = _visible(call)
    if BOT_USER not in channel.members:
        raise SlackRefusal("not_in_channel")
    parent = channel.messages.get(call.arguments.required("ts"))
    if parent is None:
        raise SlackRefusal("thread_not_found")
    page, metadata = call.page([parent, *_as_late(call, call.workspace.replies(channel, parent["ts"]))])
    return {"messages": page, "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata}


def _as_late(call: Call, messages: list[Json]) -> list[Json]:
    """Leave out the newest message as long as reads are late: a read may be answered by a copy that lags behind."""
    if call.workspace.late_reads <= 0:
        return messages
    call.workspace.late_reads -= 1
    return messages[:-1]


def _visible(call: Call) -> Channel:
    channel = call.workspace.channels.get(call.arguments.required("channel", "channel_not_found"))
    if channel is None or (channel.is_private and BOT_USER not in channel.members):
        raise SlackRefusal("channel_not_found")
    return channel


def _described(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.is_private and not channel.is_im,
        "is_group": False,
        "is_im": channel.is_im,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_member": BOT_USER in channel.members,
        "is_general": False,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "context_team_id": TEAM_ID,
    }


def _person(user: User, enterprise_id: str) -> Json:
    described: Json = {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "color": user.color,
        "real_name": user.real_name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": {
            "title": user.title,
            "real_name": user.real_name,
            "display_name": user.name,
            "team": user.team_id,
        },
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_bot": user.is_bot,
        "is_app_user": False,
    }
    if user.is_bot:
        described["profile"] |= {"bot_id": BOT_ID, "api_app_id": APP_ID}
    if user.is_stranger or (user.team_id != TEAM_ID and not enterprise_id):
        described["is_stranger"] = True
    if not user.team_id:
        del described["team_id"]
    if user.teams:
        described["enterprise_user"] = {"id": user.id, "enterprise_id": enterprise_id, "teams": list(user.teams)}
    return described
