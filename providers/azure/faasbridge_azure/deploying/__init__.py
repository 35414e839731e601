"""Parts of the deployer; `deployer` puts them together."""
