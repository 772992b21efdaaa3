"""What the user may have meant."""

from collections.abc import Collection

_ALIASES = {
    "cpus": "vcpu vcpus cpu cores core num_cpus cpu_count",
    "memory": "mem ram memory_mib memory_mb mem_size_mib mem_limit",
    "disk": "disk_size size storage disk_mib root_size",
    "image": "rootfs os root base_image distro",
    "kernel": "kernel_image vmlinux",
    "boot_args": "cmdline kernel_args kernel_cmdline bootargs command_line append",
    "env": "environment envs variables",
    "ports": "port forwards forward port_forwards expose publish",
    "mounts": "mount shares share binds bind_mounts",
    "sync": "watch live mirror in_step",
    "ignore": "ignored exclude excludes skip",
    "volumes": "volume disks data named_volumes",
    "provision": "provisioning provisioner setup init user_data cloud_init commands run_once",
    "restart": "restart_policy restart_on policy",
    "stop_grace_period": "grace grace_period stop_timeout shutdown_timeout",
    "lifecycle": "protect protection deletion_protection",
    "prevent_delete": "prevent_destroy protect no_delete",
    "profiles": "profile",
    "replicas": "replica scale count instances number",
    "update": "update_config rolling rollout deploy strategy",
    "max_unavailable": "parallelism batch max_down",
    "extends": "extend inherits inherit base",
    "include": "includes import imports",
    "required": "require mandatory",
    "run": "inline shell cmd command exec content",
    "script": "file path source",
    "target": "path mount_point mountpoint at dest destination to",
    "volume": "source name",
    "size": "capacity size_mib",
    "ssh_keys": "keys ssh_key sshkeys authorized_keys ssh_authorized_keys public_keys",
    "dns": "nameserver nameservers resolvers dns_servers",
    "ip": "address ip_address ipv4 ipv4_address static_ip",
    "hostname": "host_name fqdn",
    "depends_on": "depends needs requires dependencies after links",
    "healthcheck": "health check health_check readiness probe",
    "hypervisor": "vmm driver provider backend",
    "labels": "label tags metadata annotations",
    "files": "file write_files configs copy",
    "vms": "services machines vm hosts guests instances containers",
    "name": "project project_name",
    "defaults": "default common x_defaults",
    "guest": "vm_port target to container container_port guest_port",
    "host": "published from host_port",
    "bind": "host_ip listen listen_address host_address",
    "protocol": "proto",
    "source": "src host path from host_path directory dir",
    "tag": "target label dest destination name",
    "mode": "permissions perms access chmod",
    "owner": "user chown uid",
    "content": "contents text data body",
    "path": "target dest destination name source src",
    "command": "test exec cmd script",
    "watch": "develop rules on_change live_reload",
    "action": "do then",
    "interval": "period every",
    "timeout": "start_period deadline max_wait",
    "http": "http_get url",
    "tcp": "tcp_socket port",
    "condition": "when state",
}
_MEANS: dict[str, list[str]] = {}
for _key, _words in _ALIASES.items():
    for _word in _words.split():
        _MEANS.setdefault(_word, []).append(_key)
_LONGEST = 40


class Suggester:
    """Suggests near words, for a bounded number of questions: comparing words is slow."""

    def __init__(self, budget: int = 50) -> None:
        self._budget = budget

    def nearest(self, word: str, known: Collection[str]) -> str:
        """The known word that looks most like `word`, or an empty string."""
        if self._budget <= 0 or len(word) > _LONGEST:
            return ""
        self._budget -= 1
        import difflib

        lower = word.lower()
        near = [name for name in known if abs(len(name) - len(word)) <= 3]
        found = difflib.get_close_matches(lower, near, n=1, cutoff=0.6)
        return found[0] if found else ""

    def key(self, word: str, known: Collection[str]) -> str:
        """The known key that somebody who writes `word` wants, or an empty string."""
        plain = word.lower().replace("-", "_")
        words = {word: key for word, keys in _MEANS.items() for key in keys if key in known}
        words.update({key: key for key in known})
        meant = words.get(plain) or words.get(self.nearest(plain, words))
        return meant or ""
