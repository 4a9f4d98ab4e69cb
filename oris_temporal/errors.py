"""All errors of this package; one tree, rooted at `OrisError`."""

from .graph.errors import *  # noqa: F403 - the one list of their names is there
