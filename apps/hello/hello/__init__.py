"""The smallest FaaSBridge app."""
