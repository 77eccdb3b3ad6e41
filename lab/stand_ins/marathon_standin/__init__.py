"""A stand-in for Marathon: test equipment of the lab, with the real program's flags, znodes and HTTP answers."""

VERSION = "1.11.24-standin"
