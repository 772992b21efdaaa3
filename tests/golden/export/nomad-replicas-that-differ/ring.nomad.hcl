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

job "ring" {
  datacenters = var.datacenters
  type        = "service"

  group "node-1" {
    count = 1

    network {
      port "tcp_8080" {
        static = 9001
      }
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name     = "ring-node-1-tcp-8080"
      provider = "nomad"
      port     = "tcp_8080"

      check {
        type     = "http"
        path     = "/ready"
        interval = "5s"
        timeout  = "5s"
      }
    }

    task "node-1" {
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
          "user,id=vmm,hostfwd=tcp::${NOMAD_HOST_PORT_tcp_8080}-:8080",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0",
          "-drive",
          "file=${var.volumes}/ring/data-1.ext4,format=raw,if=virtio",
        ]
      }

      resources {
        cores  = 1
        memory = 512
      }
    }
  }

  group "node-2" {
    count = 1

    network {
      port "tcp_8080" {
        static = 9002
      }
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name     = "ring-node-2-tcp-8080"
      provider = "nomad"
      port     = "tcp_8080"

      check {
        type     = "http"
        path     = "/ready"
        interval = "5s"
        timeout  = "5s"
      }
    }

    task "node-2" {
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
          "user,id=vmm,hostfwd=tcp::${NOMAD_HOST_PORT_tcp_8080}-:8080",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0",
          "-drive",
          "file=${var.volumes}/ring/data-2.ext4,format=raw,if=virtio",
        ]
      }

      resources {
        cores  = 1
        memory = 512
      }
    }
  }

  group "proxy" {
    count = 1

    network {
      port "tcp_80" {
        static = 80
      }
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name     = "ring-proxy-tcp-80"
      provider = "nomad"
      port     = "tcp_80"
    }

    task "proxy" {
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
}
