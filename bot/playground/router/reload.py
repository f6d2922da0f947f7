"""`python -m bot.playground.router.reload URL`: the demo's command that restarts the simulated router.

Excluded: everything else. The standard library is enough, so that the command starts quickly.
"""

import http.client
import sys
import urllib.error
import urllib.request

TIME_LIMIT_S = 60.0
"""More than whoever runs this waits for: how long a restart may take is theirs to say (`reload_timeout_s`)."""
ANSWER_BYTES_MAX = 4_096


def main(arguments: list[str]) -> int:
    """POST the URL and say what came of it.

    Args:
        arguments: the URL alone.

    Returns:
        0 if the router was restarted, 1 if not.
    """
    if len(arguments) != 1 or not arguments[0].startswith(("http://", "https://")):
        sys.stderr.write("Nothing was restarted. Usage: python -m bot.playground.router.reload http://HOST:PORT/restart\n")
        return 1
    url = arguments[0]
    # A proxy of the environment has no business between two programs of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, data=b"", timeout=TIME_LIMIT_S):
            pass
    except urllib.error.HTTPError as error:
        answer = error.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
        sys.stderr.write(f"The router at {url} did not come up again, it answered {error.code}: {answer}\n")
        return 1
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"The router at {url} was not reached ({error}); it runs the settings of its start. Is it there?\n")
        return 1
    sys.stdout.write(f"The router at {url} was restarted.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
