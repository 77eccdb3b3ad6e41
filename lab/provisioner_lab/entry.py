"""The entry point that adds `provision lab`. It stays light: `provision --help` loads it."""

from provisioner.verbs import Verb

VERB = Verb("lab", "lab", "make hosts on this machine, as containers or virtual machines", "provisioner_lab.verb",
            inventory=False)
