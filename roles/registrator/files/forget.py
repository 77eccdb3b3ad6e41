"""Take the services that Registrator put into this host's Consul agent out again, and print their ids.

Argument: host:port of the agent.
"""
import http.client
import json
import re
import socket
import sys
import urllib.parse

OURS = re.compile(re.escape(socket.gethostname()) + r":[^:]+:\d+(:udp)?")


def ask(method, path):
    connection = http.client.HTTPConnection(sys.argv[1], timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    if answer.status != 200:
        sys.exit(f"Consul answers {method} {path} with {answer.status}: {text}")
    return text


try:
    services = json.loads(ask("GET", "/v1/agent/services"))
except ConnectionRefusedError:
    services = {}  # no agent any more: its services went with it
for service in sorted(filter(OURS.fullmatch, services)):
    ask("PUT", "/v1/agent/service/deregister/" + urllib.parse.quote(service, safe=""))
    print(service)
