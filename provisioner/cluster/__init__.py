"""The cluster as its owner describes it: hosts, names, versions, facts."""
