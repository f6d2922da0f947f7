"""The settings with which the simulated router's process was started: its environment, which is read once.

The launcher fills it from the settings file, but for what it exports itself, which wins (as `load_dotenv` has it). Nothing
that is written to the file afterwards reaches the process. Excluded: when it is started.
"""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

DEFAULTS: Final = {
    "NOVA_ANR_ENABLED": "0",
    "NOVA_ANR_PILOT": "0.00",
    "NOVA_ANR_MAX_FAST_PROB": "0.15",
    "NOVA_ANR_STRICT_ON_ANOMALY": "1",
    "NOVA_ANR_LEARN_SHADOW": "1",
    "NOVA_ANR_KILL": "0",
}
"""What the router assumes for a setting that its environment does not have: the safe value."""


class SettingsRejectedError(Exception):
    """The launcher cannot read the settings file, or the router makes no sense of it; the process does not come up."""


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """The settings in force, as text, with the few that decide about a line as values."""

    texts: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))

    @classmethod
    def at_start(cls, path: Path, exports: Mapping[str, str]) -> "RouterSettings":
        """Return what a process finds in its environment that is started now.

        Args:
            path: the settings file.
            exports: what the launcher exports; it beats the file.

        Raises:
            SettingsRejectedError: the file cannot be read, or a number in the environment is none.
        """
        try:
            found = dotenv_values(stream=io.StringIO(path.read_text("utf-8")), interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsRejectedError(f"The settings file cannot be read ({error}); the router does not come up.") from error
        texts = {name: value for name, value in found.items() if name.startswith("NOVA_") and value is not None}
        settings = cls(DEFAULTS | texts | dict(exports))
        for name in ("NOVA_ANR_PILOT", "NOVA_ANR_MAX_FAST_PROB"):
            try:
                number = float(settings.texts[name])
            except ValueError:
                number = math.nan
            if not 0 <= number <= 1:
                raise SettingsRejectedError(f"{name} must lie between 0.00 and 1.00; the router does not come up.")
        return settings

    @property
    def pilot(self) -> float:
        """The fraction of traffic that is asked for, 0 to 1."""
        return float(self.texts["NOVA_ANR_PILOT"])

    @property
    def enabled(self) -> bool:
        """Whether ANR may serve live traffic."""
        return self.texts["NOVA_ANR_ENABLED"] == "1"

    @property
    def kill(self) -> bool:
        """Whether every decision is forced to R4, in shadow too."""
        return self.texts["NOVA_ANR_KILL"] == "1"

    @property
    def served(self) -> float:
        """The fraction of traffic that ANR really serves: KILL does not end it, it sends it to R4."""
        return self.pilot if self.enabled else 0.0

    @property
    def learns_in_shadow(self) -> bool:
        """Whether decisions that are not used are written as well."""
        return self.texts["NOVA_ANR_LEARN_SHADOW"] != "0"
