"""From `inventory.yml` to a checked Cluster, and from a Cluster to the complete inventory that Ansible runs with."""
