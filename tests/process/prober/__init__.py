"""A package, so that its real servers are started once for its files, and end with them."""
