"""What the vendors' simulators share: pinned tools in environments of their own, one server process that owns whatever
runs, and an app deployed onto it by the vendor's real deployer. Tool time only."""
