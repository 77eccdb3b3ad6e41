"""Executors and fetcher of the lab's Mesos package. The agent that starts them is Apache's; these programs are the lab's own.

They speak Apache Mesos 1.11's executor interfaces and use its states, messages and defaults, for one task each. Standard library only,
Python 3.9 or later; the scripts beside this package start Python with -EsB, as the environment they get is the task's and the folder
belongs to a package.
"""
