"""The lab: hosts made on the spot on this machine, a mirror to install from, and an inventory that names them."""
