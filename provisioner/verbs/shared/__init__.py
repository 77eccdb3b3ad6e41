"""What several verbs share: their arguments, the questions they ask, how they end."""
