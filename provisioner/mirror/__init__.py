"""Where the packages come from: what a site's mirror is made of, and the tools that make it."""
