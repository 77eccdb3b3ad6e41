"""What the stand-ins of Marathon and Chronos share: flags, leader election, Mesos scheduler API, HTTP server."""
