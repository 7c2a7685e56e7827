"""Reads settings from environment variables: each has a default, a bound and a reason; all faults are told at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

PREFIX: Final = "SHARDBOARD_"
SECRET_FILE_BYTES_MAX: Final = 64 * 1024
_T = TypeVar("_T")


class BadSettings(ValueError):
    """The environment cannot be used. `faults` has a line for each setting: its name, its value and the rule."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class SettingRead:
    """One setting as it was read, for `shardboard config show`."""

    name: str
    value: str
    is_default: bool
    meaning: str
    is_secret: bool = False

    @property
    def shown(self) -> str:
        """The value as it may be shown: secrets are not."""
        return "(set)" if self.is_secret and self.value else self.value


class Env:
    """One pass over the environment. Read every setting, then call `check`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.read: dict[str, SettingRead] = {}
        self.faults: list[str] = []

    def text(self, name: str, default: str, *, meaning: str) -> str:
        """A text; an empty variable counts as absent."""
        raw = self._values.get(PREFIX + name, "")
        self.read[name] = SettingRead(PREFIX + name, raw or default, not raw, meaning)
        return raw or default

    def whole(self, name: str, default: int, *, low: int, high: int, meaning: str) -> int:
        """A whole number within bounds."""
        raw = self.text(name, str(default), meaning=meaning)
        try:
            value = int(raw)
        except ValueError:
            return self._fault(name, raw, rule=f"must be a whole number from {low} to {high}", default=default)
        if not low <= value <= high:
            return self._fault(name, raw, rule=f"must be a whole number from {low} to {high}", default=default)
        return value

    def flag(self, name: str, default: bool, *, meaning: str) -> bool:
        """A yes or no: 1, true, yes, on, 0, false, no, off."""
        raw = self.text(name, "1" if default else "0", meaning=meaning).lower()
        if raw in ("1", "true", "yes", "on"):
            return True
        if raw in ("0", "false", "no", "off"):
            return False
        return self._fault(name, raw, rule="must be 1 or 0", default=default)

    def choice(self, name: str, default: str, *, choices: tuple[str, ...], meaning: str) -> str:
        """One of a few words."""
        raw = self.text(name, default, meaning=meaning)
        return (
            raw
            if raw in choices
            else self._fault(name, raw, rule=f"must be one of {', '.join(choices)}", default=default)
        )

    def parsed(self, name: str, default: str, *, parse: Callable[[str], _T], meaning: str) -> _T:
        """A text that `parse` understands; it raises ValueError with the rule. The default must parse."""
        raw = self.text(name, default, meaning=meaning)
        try:
            return parse(raw)
        except ValueError as error:
            return self._fault(name, raw, rule=str(error), default=parse(default))

    def secret(self, name: str, default: str, *, meaning: str) -> str:
        """A secret from NAME, or from the file that NAME_FILE names; never shown nor logged."""
        value = self._values.get(PREFIX + name, "")
        path = self._values.get(f"{PREFIX}{name}_FILE", "")
        if value and path:
            self.faults.append(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set; set one")
        elif path:
            value = self._secret_file(name, path)
        self.read[name] = SettingRead(PREFIX + name, value or default, not value, meaning, is_secret=True)
        return value or default

    def content(self, name: str, *, meaning: str) -> str:
        """The text of the file that NAME names; empty where it names none. Nothing secret: `secret` reads those."""
        path = self.text(name, "", meaning=meaning)
        if not path:
            return ""
        return self._small_file(PREFIX + name, path, holds="the text")

    def require(self, holds: bool, rule: str) -> None:
        """Note a fault between settings, unless it holds. `rule` names the settings, their values and the rule."""
        if not holds:
            self.faults.append(rule)

    def check(self) -> None:
        """Raise BadSettings if anything was wrong."""
        if self.faults:
            raise BadSettings(tuple(self.faults))

    def unknown(self) -> list[str]:
        """Variables with our prefix that no setting read: most likely typing errors."""
        known = {PREFIX + name for name in self.read} | {
            f"{PREFIX}{name}_FILE" for name, setting in self.read.items() if setting.is_secret
        }
        return sorted(
            name for name in self._values if name.startswith(PREFIX) and name not in known and "_TEST_" not in name
        )

    def _secret_file(self, name: str, path: str) -> str:
        return self._small_file(f"{PREFIX}{name}_FILE", path, holds="the secret")

    def _small_file(self, setting: str, path: str, *, holds: str) -> str:
        try:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(SECRET_FILE_BYTES_MAX).strip()
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{setting} = {path!r} cannot be read: {error}")
            return ""
        self.require(bool(text), f"{setting} = {path!r} is empty; it must hold {holds}")
        return text

    def _fault(self, name: str, raw: str, *, rule: str, default: _T) -> _T:
        self.faults.append(f"{PREFIX}{name} = {raw!r} {rule}")
        return default
