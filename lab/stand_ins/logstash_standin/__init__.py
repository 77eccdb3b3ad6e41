"""Test equipment: reads Logstash's configuration, takes lines over TCP, queues them on disk, writes them out."""

VERSION = "9.5.6-standin"
