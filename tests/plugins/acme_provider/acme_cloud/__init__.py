"""A third party's provider and resource kind, in memory: what an author of one writes."""
