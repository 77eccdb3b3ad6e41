"""Stand-in for Apache Mesos 1.11.0: test equipment that behaves as the recordings of a real cluster do."""
