"""Lines as a router might leave them behind: whole, odd, broken. Seeded, for differential tests and fuzzing."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2025, 9, 30, 9, 5, tzinfo=UTC)

ODD_VALUES: tuple[str, ...] = (
    "null", "true", "false", "0", "1", "-1", "0.5", "-0.0", "1e5", "1E400", "-1e999", "NaN", "Infinity", "-Infinity",
    "9" * 25, "9" * 320, "0." + "1" * 40, "9007199254740993", "18446744073709551616", "1e-400", "2.2250738585072011e-308",
    '""', '"1"', '"R1"', '"R\\u0031"', '"\\ud800"', '"é"', "[]", "{}", "[1,[2]]", '{"a":{"b":[{}]}}', "01", "1.", ".5", "+1",
    "nul",
    '"a\tb"', '"a\x00b"', '"\\q"', "'x'", "[1,]", "1_0", "0x1", "-",
)  # fmt: skip
ODD_TIMES: tuple[str, ...] = (
    "2025-09-30T09:00:00Z", "2025-09-30T09:00:00", "2025-09-30T11:00:00+02:00", "2025-09-30T09:00:00+00:00",
    "2025-09-30T09:00:00.5Z", "2025-09-30T09:00:00.123456Z", "2025-09-30T09:00:00.123456789Z", "2025-09-30T09:00:00,5Z",
    "2025-09-30T09:00:00.123456+00:00", "2025-09-30t09:00:00z", "2025-09-30 09:00Z", "2025-09-30T09Z", "2025-09-30", "",
    "2024-03-01T00:00:00Z", "2024-12-31T23:59:59Z", "2000-03-01T00:00:00Z", "2100-03-01T00:00:00Z",
    "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
    "2025-00-10T00:00:00Z", "2025-04-31T00:00:00Z", "2025-09-30T24:00:00Z", "2025-09-30T23:60:00Z", "2025-09-30T23:59:60Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2025-09-30T09:00:00+0200", "2025-09-30T09:00:00+02", "2025-09-30T09:00:00+24:00", "2025-09-30T09:00:00+02:60",
    "٢025-09-30T09:00:00Z", "2025-09-30T09:00:0٣Z", "2025-09-30T09:00:00ZZ", " 2025-09-30T09:00:00Z", "yesterday", "1759222800",
)  # fmt: skip


def decision_text(rng: random.Random, at: datetime) -> str:
    """One decision as the router writes it, with parts missing now and then."""
    argmax = rng.choice(["R1", "R2", "R3", "R4", "R5"])
    entry: dict[str, Any] = {
        "id": f"{rng.getrandbits(128):032x}",
        "t": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "shadow": {"route": argmax, "argmax": argmax, "probs": {"R1": 0.2, "R2": 0.5, "R3": rng.choice([0.1, 0.15, 0.2])}},
        "live": {"route": argmax if rng.random() < 0.9 else "R1", "pilot": 0.1},
        "anomaly": {"engaged": rng.choice([0, 0, 0, 1, True, False])},
        "rewards": {
            "immediate": {"tri_delta_norm": round(rng.gauss(0.1, 0.2), 3), "latency_norm": 0.3},
            "deployment": {"slo_ok": 1, "rollback": rng.choice([0, 0, 0, 0, 1, True, False, -1.0]), "error_rate": 0.0},
        },
    }
    if rng.random() < 0.1:
        del entry["shadow"]["probs"]["R3"]
    if rng.random() < 0.1:
        del entry["shadow"]["probs"]
    for part in ("live", "anomaly", "rewards", "id"):
        if rng.random() < 0.1:
            del entry[part]
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=rng.random() < 0.5)


def odd_line(rng: random.Random, at: datetime) -> bytes:  # noqa: C901, PLR0912 - one arm a kind
    """One line, odd in one of many ways, without its LF; it may hold one, and then is two."""
    text = decision_text(rng, at)
    odd = rng.choice(ODD_VALUES)
    match rng.randrange(20):
        case 0:
            text = text[: rng.randrange(len(text) + 1)]
        case 1:
            text = text.replace('"R1"', odd, 1)
        case 2:
            text = text.replace('"rollback":', f'"rollback":{odd},"x":', 1)
        case 3:
            text = text.replace('"tri_delta_norm":', f'"tri_delta_norm":{odd},"x":', 1)
        case 4:
            text = text.replace('"engaged":', f'"engaged":{odd},"x":', 1)
        case 5:
            text = text.replace('"R3":', f'"R3":{odd},"x":', 1)
        case 6:
            text = text[:-1] + f',"{rng.choice(["t", "live", "shadow", "anomaly", "rewards", "new", "id"])}":{odd}' + "}"
        case 7:
            written = json.dumps(rng.choice(ODD_TIMES), ensure_ascii=False)
            text = text.replace(f'"{at.strftime("%Y-%m-%dT%H:%M:%SZ")}"', written)
        case 8:
            text = text[:-1] + f',"t":{json.dumps(rng.choice(ODD_TIMES))}' + "}"
        case 9:
            depth = rng.choice([5, 198, 199, 200, 201, 400, 2000])
            text = text[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
        case 10:
            text = rng.choice(["", " ", "\t", "null", "[]", "3", '"t"', "{}", "}{", text + text, text + " {}", "," + text])
        case 11:
            text = rng.choice(["\ufeff", " ", "\t", "\x0b", "\x00"]) + text + rng.choice(["", " ", "\t", "\x0c", "\x00"])
        case 12:
            place = rng.randrange(len(text))
            text = text[:place] + rng.choice(["\n", "\r", "\r\n", "\x00", "\\", '"', "é", "\x1f", ",", "}", "{"]) + text[place:]
        case 13:
            text = text.replace(":", " : ").replace(",", " , ")
        case 14:
            text = text[:-1] + ',"pad":"' + "x" * rng.choice([10, 500, 5000]) + '"}'
        case 15:
            text = text.replace('"t"', rng.choice(['"\\u0074"', '"T"', '"t "', "t"]), 1)
        case 16:
            text = text.replace('"live":{', f'"live":{odd},"was":{{', 1)
        case 17:
            text = text.replace('"rewards":{', f'"rewards":{odd},"was":{{', 1)
        case 18:
            data = bytearray(text.encode())
            data[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(data)
        case _:
            text = text.replace('"R2"', rng.choice(['"R\\u0032"', '"R2\ud83d"', '"Ré"', '"\U0001f600"']), 1)
    return text.encode("utf-8", "surrogatepass")


def ledger_bytes(rng: random.Random, count: int, *, odd: float, step_s: float = 1.0, disorder_s: float = 900.0) -> bytes:
    """A ledger of `count` lines from `START`, `step_s` apart, written up to `disorder_s` late, a share of them odd."""
    end = rng.choice([b"\n", b"\n", b"\r\n"])
    lines = []
    for number in range(count):
        at = START + timedelta(seconds=int(number * step_s - rng.uniform(0, disorder_s)))
        lines.append(odd_line(rng, at) if rng.random() < odd else decision_text(rng, at).encode())
    return end.join(lines) + (end if rng.random() < 0.8 else b"")
