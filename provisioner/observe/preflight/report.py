"""What a look at the hosts found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from provisioner.cluster.names import counted
from provisioner.errors import StepFailed, UnreachableError

if TYPE_CHECKING:
    from provisioner.observe.preflight.sources import Sources

Severity = Literal["ok", "warn", "fail"]
_ORDER: dict[Severity, int] = {"fail": 0, "warn": 1, "ok": 2}


@dataclass(frozen=True)
class Finding:
    """One thing about one host. `warn` can be lived with, `fail` would break the work half-way; `hint` says what to do."""

    severity: Severity
    host: str
    check: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Seen:
    """One host as the rules see it.

    `components` is what it is to run, `variables` its rendered variables and the roles' defaults, `facts` and `found` what the probe
    answered, `errors` the sections that broke on the host, `ahead` the bounds of its clock's lead in seconds, `sources` what was asked for,
    `neighbours` the addresses of all hosts by their names.
    """

    host: str
    components: frozenset[str]
    variables: Mapping[str, Any]
    facts: Mapping[str, Any]
    found: Mapping[str, Any]
    errors: Mapping[str, str] = field(default_factory=dict)
    ahead: tuple[float, float] = (0.0, 0.0)
    sources: Sources | None = None
    neighbours: Mapping[str, str] = field(default_factory=dict)

    def ok(self, check: str, message: str) -> Finding:
        """Nothing to do."""
        return Finding("ok", self.host, check, message)

    def warn(self, check: str, message: str, hint: str = "") -> Finding:
        """Works, but somebody should know."""
        return Finding("warn", self.host, check, message, hint)

    def fail(self, check: str, message: str, hint: str) -> Finding:
        """Must be mended first."""
        return Finding("fail", self.host, check, message, hint)


@dataclass(frozen=True)
class Report:
    """All findings, the facts of the hosts that answered, and why the others did not."""

    findings: tuple[Finding, ...]
    facts: dict[str, Mapping[str, Any]]
    unreachable: Mapping[str, UnreachableError] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether something must be mended before anything is changed."""
        return any(f.severity == "fail" for f in self.findings)

    @property
    def exit_code(self) -> int:
        """0 when all is fit, 4 when hosts did not answer, 5 when one is not fit."""
        if self.unreachable:
            return UnreachableError.exit_code
        return StepFailed.exit_code if self.failed else 0

    def as_json(self) -> dict[str, Any]:
        """The result as data."""
        return {"failed": self.failed, "unreachable": list(self.unreachable), "findings": [asdict(f) for f in self.findings]}

    def rows(self) -> list[list[str]]:
        """Severity, host, check, text: what must be mended first; what is well in one row per host."""
        bad = sorted((f for f in self.findings if f.severity != "ok"), key=lambda f: _ORDER[f.severity])
        rows = [[f.severity, f.host, f.check, f.message + (f"\n→ {f.hint}" if f.hint else "")] for f in bad]
        for host in dict.fromkeys(f.host for f in self.findings if f.severity == "ok"):
            fine = [f for f in self.findings if f.host == host and f.severity == "ok"]
            about = ", ".join(f.message for f in fine if f.check in ("system", "cpus", "memory"))
            rows.append(["ok", host, counted(len(fine), "check"), about])
        return rows
