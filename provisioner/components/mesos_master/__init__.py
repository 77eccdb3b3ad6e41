"""The Mesos master."""
