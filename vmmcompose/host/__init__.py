"""The doors: everything that touches the machine, one module per kind of thing, none of them deciding.

Network: `netlink` (links, by pyroute2), `iptables`, `sysctl`, `procnet`, `network` (all of them together).
Processes: `process`, `procscan`, `kvm`. Disks: `disks`, `ext4` with `debugfs`, `e2fs` and `ext4script`, `mounts`.
Guests: `ssh`, `keys`, `ready` with `watch` and `dial`, `console`. Our own files: `records`, `stored`, `store`,
`manifests`, `settings`, `locks`, `files`. HTTP over a Unix socket: `unixhttp`. For `vmm doctor`: `doctor`.
Exceptions of libraries and of the kernel become `vmmcompose.errors` here and go no further.
"""
