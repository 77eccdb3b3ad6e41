"""The site's mirror: a host that has everything that the others are installed from."""

from provisioner.components.model import Component, Need, Port, Site

COMPONENT = Component(
    "mirror", "mirror", "", "Site mirror", unit="mirror",
    ports=(
        Port(8088, "the site's mirror: packages and files", "mirror_port", address="{mirror_address}"),
        Port(5000, "the site's mirror: images", "mirror_registry_port", address="{mirror_address}", unit="mirror-registry"),
    ),
    # What it serves is measured when it is sent.
    needs=(Need(64, {"/usr": 64, "{mirror_data_dir}": 64}),),
    data=("mirror_keep_data", False),
    site=Site("mirror_folder", "mirror_data_dir", "mirror_port", "mirror_registry_port"),
)
