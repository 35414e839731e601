"""Azure Resource Manager, as far as deployments of FaaSBridge's kind of templates need it."""
