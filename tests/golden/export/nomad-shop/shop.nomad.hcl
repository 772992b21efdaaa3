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

    network {
      port "tcp_5432" {}
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name     = "shop-db-tcp-5432"
      provider = "nomad"
      port     = "tcp_5432"

      check {
        type     = "tcp"
        interval = "2s"
        timeout  = "5s"
      }
    }

    task "db" {
      driver       = "qemu"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "local/rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/bzImage"
        destination = "local/bzImage"
        mode        = "file"
      }

      config {
        image_path        = "local/rootfs.ext4"
        drive_interface   = "virtio"
        accelerator       = "kvm"
        graceful_shutdown = true
        args              = [
          "-netdev",
          "user,id=vmm,hostfwd=tcp::${NOMAD_HOST_PORT_tcp_5432}-:5432",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0",
          "-drive",
          "file=${var.volumes}/shop/pgdata.ext4,format=raw,if=virtio",
        ]
      }

      resources {
        cores  = 2
        memory = 1024
      }
    }
  }

  group "web" {
    count = 3

    network {
      port "tcp_80" {}
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    update {
      max_parallel = 1
    }

    service {
      name     = "shop-web-tcp-80"
      provider = "nomad"
      port     = "tcp_80"
    }

    task "web" {
      driver       = "qemu"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "local/rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/bzImage"
        destination = "local/bzImage"
        mode        = "file"
      }

      config {
        image_path        = "local/rootfs.ext4"
        drive_interface   = "virtio"
        accelerator       = "kvm"
        graceful_shutdown = true
        args              = [
          "-netdev",
          "user,id=vmm,hostfwd=tcp::${NOMAD_HOST_PORT_tcp_80}-:80",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0",
        ]
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
      driver       = "qemu"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/debian-12.ext4"
        destination = "local/rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/default/bzImage"
        destination = "local/bzImage"
        mode        = "file"
      }

      config {
        image_path        = "local/rootfs.ext4"
        drive_interface   = "virtio"
        accelerator       = "kvm"
        graceful_shutdown = true
        args              = [
          "-netdev",
          "user,id=vmm",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0",
        ]
      }

      resources {
        cores  = 1
        memory = 512
      }
    }
  }
}
