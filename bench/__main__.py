"""`python -m bench [ledger] [slack] [alerts] [payloads] [journal] [memory]`: the parts that are named, or all but memory."""

import argparse
import socket

from bench import alerts, journal, ledger, memory, payloads, slack

PARTS = ("ledger", "slack", "alerts", "payloads", "journal")
LONG = ("memory",)
"""Takes an hour, so that it has to be named."""
LEDGER_LINES = 1_000_000
DAY_LINES = 10_000_000 // 30


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """Run the parts."""
    options = argparse.ArgumentParser(prog="python -m bench")
    options.add_argument("parts", nargs="*", choices=[*PARTS, *LONG, []], help="which parts; all but memory if none is named")
    options.add_argument(
        "--lines", type=int, help="size of the ledger; otherwise 1 million, and for Slack and alerts a day of 10 millions in 30"
    )
    options.add_argument("--payloads", type=int, default=payloads.PAYLOADS, help="how many generated ones")
    options.add_argument("--receipts", type=int, default=journal.MANY, help="how many the old journal has")
    options.add_argument("--minutes", type=float, default=memory.MINUTES, help="for how long the bot is asked")
    options.add_argument("--ways", nargs="*", choices=[*alerts.WAYS], help="what stands beside the alerts; all if none is named")
    chosen = options.parse_args()
    parts = chosen.parts or PARTS
    if "ledger" in parts:
        ledger.run(chosen.lines or LEDGER_LINES)
    if "slack" in parts:
        slack.run(chosen.lines or DAY_LINES, free_port)
    if "alerts" in parts:
        alerts.run(chosen.lines or DAY_LINES, free_port, tuple(chosen.ways or alerts.WAYS))
    if "payloads" in parts:
        payloads.run(chosen.payloads, free_port)
    if "journal" in parts:
        journal.run(chosen.receipts, free_port)
    if "memory" in parts:
        memory.run(chosen.minutes, free_port)


if __name__ == "__main__":
    main()
