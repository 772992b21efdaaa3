variable "datacenters" {
  type        = list(string)
  default     = ["dc1"]
  description = "Where the VMs may run."
}

variable "store" {
  type        = string
  default     = "https://store.example.com"
  description = "Server that has images/rootfs/ and images/kernels/ of vmm's data folder."
}

variable "volumes" {
  type        = string
  default     = "/var/lib/vmm/volumes"
  description = "Folder of the client that has the project's volumes."
}

job "shop" {
  datacenters = var.datacenters
  type        = "service"

  group "db" {
    count = 1

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    task "db" {
      driver       = "firecracker-task-driver"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/vmlinux"
        destination = "vmlinux"
        mode        = "file"
      }

      config {
        Network = "default"
        Vcpus   = 2
        Mem     = 1024
        Disks   = ["${var.volumes}/shop/pgdata.ext4:rw"]
      }

      resources {
        cores  = 2
        memory = 1024
      }
    }
  }

  group "web" {
    count = 3

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    update {
      max_parallel = 1
    }

    task "web" {
      driver       = "firecracker-task-driver"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/vmlinux"
        destination = "vmlinux"
        mode        = "file"
      }

      config {
        Network = "default"
        Vcpus   = 1
        Mem     = 512
      }

      resources {
        cores  = 1
        memory = 512
      }
    }
  }

  group "worker" {
    count = 1

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    task "worker" {
      driver       = "firecracker-task-driver"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/vmlinux"
        destination = "vmlinux"
        mode        = "file"
      }

      config {
        Network = "default"
        Vcpus   = 1
        Mem     = 512
      }

      resources {
        cores  = 1
        memory = 512
      }
    }
  }
}
