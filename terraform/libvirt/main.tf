# A cluster of virtual machines on one machine with libvirt. Never applied by this project: see docs/infra.md.
# libvirt has no security groups: from other machines nobody reaches the network (NAT), and hosts do not filter among themselves
# unless the inventory says common_firewall: managed. So local.rules and ssh_from are not used here.

terraform {
  required_version = ">= 1.3"
  required_providers {
    libvirt = {
      source  = "dmacvicar/libvirt"
      version = "~> 0.8.3" # 0.9 has other resources
    }
  }
}

provider "libvirt" {
  uri = var.uri
}

variable "uri" {
  description = "Where libvirt is."
  type        = string
  default     = "qemu:///system"
}

variable "image" {
  description = "Path or URL of a qcow2 image with cloud-init."
  type        = string
}

variable "sizes" {
  description = "Processors and memory in MiB."
  type = object({
    masters = object({ cpus = number, memory = number })
    agents  = object({ cpus = number, memory = number })
  })
  default = { masters = { cpus = 2, memory = 4096 }, agents = { cpus = 2, memory = 4096 } }
}

variable "disk_gb" {
  description = "Disk of each host."
  type        = number
  default     = 50
}

variable "pool" {
  description = "Storage pool."
  type        = string
  default     = "default"
}

resource "libvirt_network" "cluster" {
  name      = var.name
  mode      = "nat"
  addresses = [var.network]

  dhcp {
    enabled = true
  }
}

resource "libvirt_volume" "image" {
  name   = "${var.name}-image"
  pool   = var.pool
  source = var.image
  format = "qcow2"
}

resource "libvirt_volume" "host" {
  for_each       = local.hosts
  name           = "${var.name}-${each.key}"
  pool           = var.pool
  base_volume_id = libvirt_volume.image.id
  size           = var.disk_gb * pow(1024, 3)
}

resource "libvirt_cloudinit_disk" "host" {
  for_each  = local.hosts
  name      = "${var.name}-${each.key}.iso"
  pool      = var.pool
  user_data = local.cloud_init[each.key]

  lifecycle {
    ignore_changes = [user_data] # it matters at the first boot only
  }
}

resource "libvirt_domain" "host" {
  for_each  = local.hosts
  name      = "${var.name}-${each.key}"
  vcpu      = var.sizes[each.value.group].cpus
  memory    = var.sizes[each.value.group].memory
  cloudinit = libvirt_cloudinit_disk.host[each.key].id
  autostart = true

  cpu {
    mode = "host-passthrough"
  }

  disk {
    volume_id = libvirt_volume.host[each.key].id
  }

  network_interface {
    network_id     = libvirt_network.cluster.id
    hostname       = each.key
    addresses      = [each.value.inside]
    wait_for_lease = true
  }

  console {
    type        = "pty"
    target_port = "0"
    target_type = "serial"
  }
}

locals {
  addresses = { for name, host in libvirt_domain.host : name => {
    inside  = host.network_interface[0].addresses[0]
    outside = null
  } }
}
