"""A stand-in for Chronos: test equipment of the lab, with the real program's flags, znodes and HTTP answers."""

VERSION = "3.0.2-standin"
