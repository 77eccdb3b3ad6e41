"""Chronos runs a job once, and the job leaves what it was told to leave."""

from __future__ import annotations

from typing import Any

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.remote_calls import BrokenLink, Reply
from provisioner.observe.proof import Cleaning, Link, Proof

#: Whose credentials go with a request.
NAME = "chronos"
JOB_SECONDS = 120.0
#: 3.x, then 2.x.
BASES = ("/v1/scheduler", "/scheduler")


def result_file(proof: Proof) -> str:
    """Where the job leaves its token, on whichever agent it runs."""
    return f"/var/tmp/{proof.name}"  # noqa: S108  # the name is not guessable, and it is removed afterwards


def run(proof: Proof) -> str:
    """Post a job that runs once and wait for its file and for Chronos' own word that it succeeded."""
    host, server, base = chronos(proof)
    job = {"name": proof.name, "command": f"echo {proof.name} > {result_file(proof)}", "schedule": "R1//PT10M",
           "epsilon": "PT10M", "owner": "", "cpus": 0.05, "mem": 32, "disk": 1}
    proof.begun.add("job")
    made = proof.calls.http(host, "POST", server, f"{base}/iso8601", job, credentials=NAME)
    if not made.ok:
        raise BrokenLink(f"Chronos on {host.name}", f"it refused the job: {made}")

    def done() -> str | None:
        succeeded = int(_job(proof, host, server, base).get("successCount", 0)) > 0
        return ", ".join(left_on(proof)) or None if succeeded else None

    where = proof.until(JOB_SECONDS, done)
    if where is None:
        raise _why_not(proof, host, _job(proof, host, server, base))
    return f"ran on {where}"


def left_on(proof: Proof) -> list[str]:
    """The agents on which the job left its token."""
    said = fan_out(proof.agents, lambda a: proof.calls.send(a, "read", path=result_file(proof)))
    return [name for name, answer in said.items()
            if not isinstance(answer, UnreachableError) and str(answer.get("text") or "").strip() == proof.name]


def chronos(proof: Proof) -> tuple[Host, str, str]:
    """A host whose Chronos knows a leader, where it answers, and the path of its API."""
    hosts = proof.cluster.members("chronos")
    if not hosts:
        raise BrokenLink("Chronos", "no host is in the group chronos")
    last = Reply(0, "")
    for host in hosts:
        server = proof.server(host, "chronos")
        for base in BASES:
            last = proof.calls.get(host, server, f"{base}/leader", credentials=NAME)
            if last.ok:
                return host, server, base
    raise proof.cause_of(f"no Chronos answers: {last}", *(("chronos", h) for h in hosts))


def remove(proof: Proof) -> None:
    """Take the job out of Chronos and its file from the agents. Raises BrokenLink when Chronos does not."""
    said = fan_out(proof.agents, lambda a: proof.calls.send(a, "remove", path=result_file(proof)))
    host, server, base = chronos(proof)  # whose leader has loaded its jobs, as `registration.await_settled` was asked before
    if _job(proof, host, server, base):
        reply = proof.calls.http(host, "DELETE", server, f"{base}/job/{proof.name}", credentials=NAME)
        if not reply.ok:
            raise BrokenLink(f"Chronos on {host.name}", f"the job {proof.name} can not be deleted: {reply}")
    for answer in said.values():
        if isinstance(answer, UnreachableError):
            raise answer


def _job(proof: Proof, host: Host, server: str, base: str) -> dict[str, Any]:
    jobs = proof.calls.get(host, server, f"{base}/jobs", credentials=NAME).json()
    rows = jobs if isinstance(jobs, list) else []
    return next((j for j in rows if isinstance(j, dict) and j.get("name") == proof.name), {})


def _why_not(proof: Proof, host: Host, job: dict[str, Any]) -> BrokenLink:
    ran = left_on(proof)
    if ran:
        return BrokenLink(f"Chronos on {host.name}", f"the job ran on {ran[0]}, but Chronos did not learn of it")
    if job.get("errorCount"):
        return BrokenLink("Mesos agents", f"the job failed {job['errorCount']} times on its agent")
    why = f"the job did not run within {JOB_SECONDS:.0f} s"
    return proof.cause_of(why, *(("chronos", h) for h in proof.cluster.members("chronos")),
                       *(("mesos_agent", a) for a in proof.agents))


LINKS = (Link("a Chronos job runs and leaves its result", "Chronos → Mesos", run),)
CLEANING: tuple[Cleaning, ...] = (("job", remove),)
