"""Ansible action: packages of a role, by the host's own package manager. The module of the same name documents it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.constants import DEFAULT_LOCAL_TMP
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.provisioner.core.plugins.plugin_utils.installed import Packages, exact, look

ARGUMENTS = {
    "apt": {"type": "list", "elements": "str", "default": []},
    "dnf": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "hold": {"type": "list", "elements": "str", "default": []},
    "locked": {"type": "dict", "default": {}},
    "refresh": {"type": "bool", "default": False},
    "recommended": {"type": "bool", "default": False},
    "dpkg_options": {"type": "str", "default": ""},
}
LOCK_SECONDS = 600
#: The lists of packages are not fetched again within so many seconds: those that lack what is wanted, and others.
FRESH_SECONDS, VALID_SECONDS = 60, 3600
#: As which services that a package brings are answered when it wants to start them (policy-rc.d): they may not be.
FORBIDDEN = 101
#: Gives those that are not held yet, and holds them: with dnf at the version that is installed, not at one that was. dpkg does not wait for
#: others that hold its lock.
HOLD = {
    "apt": "export LC_ALL=C; missing=; for name in {names}; do apt-mark showhold | grep -qx \"$name\" || missing=\"$missing $name\"; done; "
           "[ -n \"$missing\" ] || exit 0; for second in $(seq {seconds}); do "
           "said=$(apt-mark hold $missing 2>&1) && echo \"$said\" && exit; "
           "case $said in *\"locked by\"*) sleep 1;; *) break;; esac; done; echo \"$said\" >&2; exit 1",
    "dnf": "missing=; locked=$(dnf -q versionlock list 2>/dev/null); for name in {names}; do "
           "there=$(rpm -q --qf '%{{version}}-%{{release}}' \"$name\"); "
           "if ! printf '%s\\n' \"$locked\" | grep -qx \"$name-[0-9]*:$there\\.[^.]*\"; then "
           "printf '%s\\n' \"$locked\" | grep -q \"^$name-[0-9]\" && dnf -q versionlock delete \"$name\" >/dev/null; "
           "missing=\"$missing $name\"; fi; done; "
           "[ -z \"$missing\" ] || dnf -q versionlock add $missing",
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible ships no types
    """See the module's DOCUMENTATION."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What Ansible's own module says, and which packages are held since."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, asked = self.validate_argument_spec(argument_spec=ARGUMENTS)
        family = str(((task_vars or {}).get("ansible_facts") or {}).get("os_family", ""))
        manager = {"Debian": "apt", "RedHat": "dnf"}.get(family)
        if not manager:
            raise AnsibleActionFail(f"no package manager is known for os_family {family!r}")
        asked["apt"] = exact(asked["apt"], asked["locked"])
        if not asked[manager]:
            return {**result, "changed": False}
        keeps, check = asked["state"] == "present", bool(self._task.check_mode)
        seen = self._look(manager, asked) if keeps else Packages(manager)
        done, held = {"changed": False}, seen.held(asked["hold"])
        if not all(map(seen.there, asked[manager])):
            arguments = {"name": asked[manager], "state": asked["state"], "lock_timeout": LOCK_SECONDS}
            with _alone(task_vars):
                done = self._by(manager, {**arguments, **_options(manager, asked, seen, check)}, task_vars)
            held = False  # apt holds no longer what it had to change
        if asked["hold"] and keeps and not check and not done.get("failed"):
            newly = not held and self._hold(manager, asked["hold"], task_vars)
            done.update(changed=bool(done.get("changed") or newly), held=newly)
        return {**result, **done}

    def _look(self, manager: str, asked: dict[str, Any]) -> Packages:
        """Cheaper than Ansible's module, which mostly has nothing to do."""
        command = look(manager, [*asked[manager], *(asked["hold"] if manager == "apt" else [])], self._connection._shell.quote)
        return Packages(manager, self._run(command).get("stdout") or "" if command else "")

    def _by(self, manager: str, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Through the action of this name where there is one: it knows which of several modules is the host's."""
        task = self._task.copy()
        task.args, task.action = arguments, f"ansible.legacy.{manager}"
        action = self._shared_loader_obj.action_loader.get(
            task.action if manager == "dnf" else "ansible.legacy.normal", task=task, connection=self._connection,
            play_context=self._play_context, loader=self._loader, templar=self._templar, shared_loader_obj=self._shared_loader_obj)
        done: dict[str, Any] = action.run(task_vars=task_vars)
        return done

    def _hold(self, manager: str, names: list[str], task_vars: dict[str, Any] | None) -> bool:
        """Keep other upgrades from touching the packages; whether one was not held before."""
        quoted = " ".join(self._connection._shell.quote(name) for name in names)
        with _alone(task_vars):
            done = self._run(HOLD[manager].format(names=quoted, seconds=LOCK_SECONDS))
        if done["rc"] != 0:
            words = " ".join((done.get("stderr") or done.get("stdout") or "").split())[-400:]
            raise AnsibleActionFail(f"{', '.join(names)}: other upgrades can't be kept from touching it: {words}")
        return bool((done.get("stdout") or "").strip())

    def _run(self, command: str) -> dict[str, Any]:
        """A command on the host, in the environment of the task: dnf may need its proxies."""
        if environment := self._compute_environment_string():
            command = f"export {environment}\n{command}"
        done: dict[str, Any] = self._low_level_execute_command(command, sudoable=True)
        return done


@contextmanager
def _alone(task_vars: dict[str, Any] | None) -> Iterator[None]:
    """While it lasts no other role that goes side by side with this one installs anything on the host.

    The managers' own locks do not suffice: apt's module lays its policy-rc.d aside before it waits for them, and two of them leave one
    behind that starts no service for ever; dnf's list of locked versions has none.
    """
    host = (task_vars or {}).get("inventory_hostname", "")
    with (Path(DEFAULT_LOCAL_TMP).parent / f"packages-{host}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _options(manager: str, asked: dict[str, Any], seen: Packages, check: bool) -> dict[str, Any]:
    """What the managers call by other names."""
    removes = asked["state"] == "absent"
    if manager == "dnf":
        unlocked = {"disable_plugin": ["versionlock"]} if asked["hold"] else {}
        return {} if removes else {"install_weak_deps": asked["recommended"], **unlocked}
    also = {"dpkg_options": asked["dpkg_options"]} if asked["dpkg_options"] else {}
    held = {"allow_change_held_packages": True} if asked["hold"] or removes else {}
    if removes:
        return {**held, **also}
    # The lists are no part of what a preview may change.
    seconds = VALID_SECONDS if all(map(seen.offered, asked["apt"])) else FRESH_SECONDS
    fresh = {"update_cache": not check, "cache_valid_time": seconds} if asked["refresh"] else {}
    return {"install_recommends": asked["recommended"], "policy_rc_d": FORBIDDEN, **fresh, **held, **also}
