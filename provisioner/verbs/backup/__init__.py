"""What a cluster keeps for its users and about itself: saved in one archive, and put back from it."""
