"""Keeping a mount in step with its directory while the VM runs: one SSH connection, tar both ways.

`session.py` is what others use. Below it: `mirror.py` decides with `guest/listing.py` what goes where, `sending.py` and
`fetching.py` carry it, `channel.py` is the connection, `tree.py` and `landing.py` are the host's directory, read and
written, `base.py` remembers how both sides were when they were last in step.
"""
