"""Doors: how the ports of components are locked, and the requests that try the locks.

`components/<name>/doors.py` holds, of what a component has: `DOORS`, `LOGINS` (who gets in, with which secret), `SECRETS` (what each
secret of its row is for), `PRIVATE` (patterns of files that only their owner may read), `LISTENERS` (its programs that listen where they
like, and why nobody can lock that), `weak(version)` (why this version can't lock a port, by the port's variable), `members(variables)` (the
networks that a host's network rules let in) and `networks(variables)` (those of containers from which doors are tried).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from provisioner.components.model import Component, Port, Protocol

Place = Literal["operator", "user", "container", "overlay", "member"]
Way = Literal["http", "say", "jute", "dns", "tls", "unix"]
#: From where doors are tried, and what is meant by it.
PLACES: Mapping[Place, str] = {
    "operator": "the machine that the command runs on", "user": "an unprivileged user of a host",
    "container": "a container on an agent's bridge", "overlay": "a container on the overlay network",
    "member": "root on a host of the cluster, whom the network rules let in",
}


@dataclass(frozen=True)
class Knock:
    """A request that tries a door, and does no harm where the door is open.

    `title` is what people read; `way` how it is made: `http` (`ask` is method and path, `body` a text), `say` (bytes, as hexadecimal in
    `ask`: whatever is answered was said to a stranger, unless it begins with `sealed`, as what only a member can read does), `jute`
    (ZooKeeper's protocol: `ask` is what is tried), `dns` (a question), `tls` (does it let in a client without a certificate?), `unix` (an
    HTTP question to the socket `ask`).

    An `http` answer that is `empty` says nothing, one of a status in `refusals` neither; one of a status in `admits` shows that no lock was
    in the way; with `any_answer` one of any status is too much.
    `{own}` in a header stands for the address that the request comes from. Where `tls_is_enough`,
    what is behind TLS asks for more than a certificate. `for_members`: nothing but the network rules keeps anybody from it.
    `gap` says why nobody can lock what this tries: it is shown, and not counted as an open door.
    """

    title: str
    way: Way
    ask: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: Protocol = "tcp"
    empty: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()
    admits: tuple[int, ...] = ()
    any_answer: bool = False
    sealed: str = ""
    tls_is_enough: bool = False
    for_members: bool = False
    gap: str = ""


@dataclass(frozen=True)
class Door:
    """How a port is locked. `of` names ports of the component's row by variable or number; `port` is one that is to be closed altogether.

    `lock` is what unlocks it and `said` what it says without, both for people; `answers` are places on its own host where it answers
    without a lock. Without knocks nobody can tell from outside whether it is open.
    """

    of: tuple[str | int, ...] = ()
    lock: str = ""
    said: str = ""
    knocks: tuple[Knock, ...] = ()
    answers: tuple[Place, ...] = ()
    port: Port | None = None

    def is_of(self, port: Port) -> bool:
        """Whether it is the door of that port."""
        return (port.variable or port.number) in self.of or port.number in self.of


@dataclass(frozen=True)
class Login:
    """Who may get in: a user with the secret of that name, as HTTP's basic authentication or, where it is named, in a header.

    `may` says what for people. `url` is where, with role variables in braces, where that is not the component's endpoint.
    """

    user: str
    secret: str
    may: str
    header: str = ""
    url: str = ""
    digest: bool = False


def called(login: Login, known: Mapping[str, str]) -> Login:
    """The login by the name that it has now: one of two, where the secret is rotated by turns."""
    return replace(login, user=f"{login.user}-2") if known.get(f"vault_{login.secret}_turn") else login


JSON = {"Content-Type": "application/json"}
#: To the libprocess of a framework, from what says that it is the master.
MESSAGE = Knock("a message of Mesos", "http", "POST /provisioner/nobody", any_answer=True, for_members=True,
                headers={"Libprocess-From": "master@192.0.2.1:5050"})
#: The question of a gossip of HashiCorp's (memberlist), in clear: "are you there?". Who has a key does not answer it; in a connection it
#: says why, sealed.
PING = b"\x00\x82\xa5SeqNo\x2a\xa4Node\xa0".hex()
GOSSIP = (Knock("a ping in clear", "say", PING, sealed="0a"), Knock("a ping in clear", "say", PING, protocol="udp"))
#: Tried at every port that no door speaks of.
STRANGER = Knock("a connection without a certificate", "tls")


def get(path: str, **more: Any) -> Knock:
    """GET a path."""
    return Knock(f"GET {path}", "http", f"GET {path}", **more)


def post(path: str, body: str, title: str = "", **more: Any) -> Knock:
    """POST a body that nothing comes of."""
    return Knock(title or f"POST {path}", "http", f"POST {path}", body, **more)


def messages(process: str) -> tuple[Knock, Knock]:
    """Two messages of Mesos' older protocol, to one of its processes: in the name of another address, and of the own. Nothing comes of
    them, as nobody sends any of that name."""
    message = f"/{process}/mesos.internal.NothingOfThatName"
    return (post(message, "", "a message in another's name", headers={"Libprocess-From": "scheduler(1)@192.0.2.1:1"}, refusals=(400,)),
            post(message, "", "a message", headers={"Libprocess-From": "scheduler(1)@{own}:1"}, refusals=(400,),
                 gap="messages of Mesos' older protocol ask for no password, only whether they come from the address that they name"))


def of(component: Component, what: str) -> Any:
    """What a component's `doors` say; empty where it has none or they do not."""
    return getattr(component.part("doors"), what, ())


def door_of(component: Component, port: Port) -> Door:
    """The door of one of its ports."""
    default = Door((port.variable or port.number,), knocks=(STRANGER,) if "tcp" in port.protocols else ())
    return next((door for door in of(component, "DOORS") if door.is_of(port)), default)
