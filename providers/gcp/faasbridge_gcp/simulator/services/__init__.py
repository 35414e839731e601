"""The control plane: a module a service of Google's, each with the vendor package's own messages."""
