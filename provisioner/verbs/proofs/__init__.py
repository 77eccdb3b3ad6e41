"""The steps of `provision verify`, one file per part of the chain that is proven."""
