"""`provision audit`: which doors there are, who tries them, and what that means."""
