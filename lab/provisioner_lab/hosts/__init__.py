"""What a lab's hosts run on: the engine, this machine's limits, networks, keys, containers, or Vagrant."""
