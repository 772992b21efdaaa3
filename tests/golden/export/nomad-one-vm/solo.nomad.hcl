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

job "solo" {
  datacenters = var.datacenters
  type        = "service"

  group "dev" {
    count = 1

    restart {
      attempts = 3
      interval = "5m"
      delay    = "15s"
      mode     = "delay"
    }

    task "dev" {
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
