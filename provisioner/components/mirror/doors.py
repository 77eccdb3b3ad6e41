"""The doors of the site's mirror: who reaches it reads what the vendors give to everybody, and nobody writes."""

from provisioner.components.door import Door, Knock

DOORS = (
    Door(("mirror_port",), "being a member", "packages and files, which are signed or known by their digests", (
        Knock("GET /catalogue.json", "http", "GET /catalogue.json", for_members=True),
        Knock("PUT a file", "http", "PUT /provisioner", "nothing", refusals=(403, 405)),
    ), ("user", "container", "overlay")),
    Door(("mirror_registry_port",), "being a member", "images, by their digests", (
        Knock("GET /v2/", "http", "GET /v2/", for_members=True),
        Knock("begin an upload", "http", "POST /v2/provisioner/blobs/uploads/", refusals=(404, 405)),
    ), ("user", "container", "overlay")),
)
