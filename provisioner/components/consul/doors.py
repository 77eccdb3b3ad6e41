"""Consul's doors: tokens at its API, certificates between its members, a key for the gossip."""

from provisioner.components.door import GOSSIP, Door, Knock, Login, get

#: Consul's RPC in clear: `Status.Leader`, in msgpack, behind the byte that says so.
RPC = b"\x00\x82\xadServiceMethod\xadStatus.Leader\xa3Seq\x01\x80".hex()
_NOTHING = ("{}", "[]", "null", '{"consul":[]}')
_LENT = "up to Consul 1.16 programs of the host may ask here for what DNS tells them"

DOORS = (
    Door((8300,), "a certificate of the cluster", knocks=(Knock("RPC in clear", "say", RPC),)),
    Door((8301, 8302), "the gossip key", knocks=GOSSIP),
    Door((8500, "consul_https_port"), "a token", "who leads (/v1/status), and empty lists", (
        get("/v1/agent/self"),
        get("/v1/kv/?keys", empty=_NOTHING),
        get("/v1/catalog/nodes", empty=_NOTHING, gap=_LENT),
        get("/v1/catalog/services", empty=_NOTHING, gap=_LENT),
        get("/v1/agent/services", empty=_NOTHING),
    )),
    Door((8600,), "", "names, to programs of the host", (Knock("a name", "dns"), Knock("a name", "dns", protocol="udp")), ("user",)),
)
LOGINS = (Login("operator", "consul_operator_token", "everything, on a host of the cluster", "X-Consul-Token", "http://127.0.0.1:8500/"),)
SECRETS = {
    "consul_gossip_key": "Consul's gossip is encrypted with it",
    "consul_management_token": "the roles make policies and tokens with it",
    "consul_agent_token": "Consul's agents register their host with it",
    "consul_dns_token": "names are looked up with it",
    "consul_registrator_token": "Registrator registers services with it",
    "consul_operator_token": "people and tools operate Consul with it",
}
PRIVATE = ("/etc/consul.d/encrypt.json", "/etc/consul.d/acl.json")
