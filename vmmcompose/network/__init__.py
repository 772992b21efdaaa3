"""Addresses, rules and links of the VMs' network as values: what they should be and how that differs."""
