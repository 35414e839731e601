"""The parts of `faasbridge_aws.deployer`, whose docstring says how they hang together."""
