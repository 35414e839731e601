"""The embedded local cloud: SQLite, a folder and worker processes. The reference implementation of the contract."""
