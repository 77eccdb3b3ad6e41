"""The cluster's authority: while one follows the other both are trusted."""

from provisioner.components.rotation import Rotation

ROTATIONS = (Rotation("authority", ("cluster_ca_key", "cluster_ca_certificate"),
                      felt="every service gets a new certificate; all but Mesos restart in turn, three times"),)
