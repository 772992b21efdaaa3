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

job "every" {
  datacenters = var.datacenters
  type        = "service"

  group "all" {
    count = 1

    network {
      port "tcp_80" {
        static = 8080
      }

      port "tcp_80_8081" {
        static = 8081
      }

      port "tcp_22" {
        static = 2222
      }

      port "udp_53" {
        static = 5353
      }
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    service {
      name     = "every-all-tcp-80"
      provider = "nomad"
      port     = "tcp_80"
    }

    service {
      name     = "every-all-tcp-80-8081"
      provider = "nomad"
      port     = "tcp_80_8081"
    }

    service {
      name     = "every-all-tcp-22"
      provider = "nomad"
      port     = "tcp_22"
    }

    service {
      name     = "every-all-udp-53"
      provider = "nomad"
      port     = "udp_53"
    }

    task "all" {
      driver       = "qemu"
      kill_timeout = "5s"
      meta         = { "team" = "web", "what is it?" = "50% of $${it}" }

      artifact {
        source      = "${var.store}/images/rootfs/Own Image.ext4"
        destination = "local/rootfs.ext4"
        mode        = "file"
      }

      artifact {
        source      = "${var.store}/images/kernels/6.1/bzImage"
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
          "user,id=vmm,dns=1.1.1.1,hostfwd=tcp::${NOMAD_HOST_PORT_tcp_80}-:80,hostfwd=tcp:192.0.2.1:${NOMAD_HOST_PORT_tcp_80_8081}-:80,hostfwd=tcp:127.0.0.1:${NOMAD_HOST_PORT_tcp_22}-:22,hostfwd=udp::${NOMAD_HOST_PORT_udp_53}-:53",
          "-device",
          "virtio-net-pci,netdev=vmm",
          "-kernel",
          "local/bzImage",
          "-append",
          "root=/dev/vda rw console=ttyS0 quiet mitigations=off",
          "-drive",
          "file=${var.volumes}/every/logs.ext4,format=raw,if=virtio,readonly=on",
          "-drive",
          "file=${var.volumes}/every/state.ext4,format=raw,if=virtio",
        ]
      }

      resources {
        cores  = 4
        memory = 128
      }
    }
  }

  group "base" {
    count = 1

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    task "base" {
      driver       = "qemu"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/tiny.ext4"
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

  group "other" {
    count = 1

    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "other" {
      driver       = "qemu"
      kill_timeout = "30s"

      artifact {
        source      = "${var.store}/images/rootfs/tiny.ext4"
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
