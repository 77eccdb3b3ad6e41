"""The agent: registration, tasks in containers and in processes, recovery after a restart."""
