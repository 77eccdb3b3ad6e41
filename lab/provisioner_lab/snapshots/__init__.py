"""Labs at rest: which are kept, and their disks. How one is made and started: freeze and restore."""
