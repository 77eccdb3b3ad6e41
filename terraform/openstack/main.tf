# A cluster on OpenStack, in a network of its own behind a router. Never applied by this project: see docs/infra.md.

terraform {
  required_version = ">= 1.3"
  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = "~> 2.0"
    }
  }
}

variable "image" {
  description = "Name of the hosts' image, one with cloud-init."
  type        = string
}

variable "sizes" {
  description = "Flavours, by name."
  type        = object({ masters = string, agents = string })
}

variable "external_network" {
  description = "Name of the network that the router leads to and floating addresses come from."
  type        = string
}

variable "public" {
  description = "Whether the hosts get floating addresses. Without them reach the network in another way, and set ansible_ssh_common_args."
  type        = bool
  default     = true
}

data "openstack_networking_network_v2" "external" {
  name = var.external_network
}

resource "openstack_networking_network_v2" "cluster" {
  name = var.name
}

resource "openstack_networking_subnet_v2" "cluster" {
  name       = var.name
  network_id = openstack_networking_network_v2.cluster.id
  cidr       = var.network
  ip_version = 4
}

resource "openstack_networking_router_v2" "cluster" {
  name                = var.name
  external_network_id = data.openstack_networking_network_v2.external.id
}

resource "openstack_networking_router_interface_v2" "cluster" {
  router_id = openstack_networking_router_v2.cluster.id
  subnet_id = openstack_networking_subnet_v2.cluster.id
}

resource "openstack_networking_secgroup_v2" "hosts" {
  for_each    = toset(["masters", "agents"])
  name        = "${var.name}-${each.key}"
  description = "${each.key} of the cluster ${var.name}"
}

resource "openstack_networking_secgroup_rule_v2" "between_hosts" {
  for_each          = local.rules
  security_group_id = openstack_networking_secgroup_v2.hosts[each.value.group].id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = each.value.protocol
  port_range_min    = each.value.from
  port_range_max    = each.value.to
  remote_ip_prefix  = var.network
}

resource "openstack_networking_secgroup_rule_v2" "ssh" {
  for_each          = { for pair in setproduct(["masters", "agents"], var.ssh_from) : join(" ", pair) => pair }
  security_group_id = openstack_networking_secgroup_v2.hosts[each.value[0]].id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 22
  port_range_max    = 22
  remote_ip_prefix  = each.value[1]
}

resource "openstack_networking_port_v2" "host" {
  for_each           = local.hosts
  name               = "${var.name}-${each.key}"
  network_id         = openstack_networking_network_v2.cluster.id
  security_group_ids = [openstack_networking_secgroup_v2.hosts[each.value.group].id]

  fixed_ip {
    subnet_id  = openstack_networking_subnet_v2.cluster.id
    ip_address = each.value.inside
  }
}

resource "openstack_compute_instance_v2" "host" {
  for_each    = local.hosts
  name        = "${var.name}-${each.key}"
  image_name  = var.image
  flavor_name = var.sizes[each.value.group]
  user_data   = local.cloud_init[each.key]

  network {
    port = openstack_networking_port_v2.host[each.key].id
  }

  lifecycle {
    ignore_changes = [image_name, image_id, user_data] # another image is no reason to destroy a member of a quorum
  }
}

resource "openstack_networking_floatingip_v2" "host" {
  for_each   = var.public ? local.hosts : {}
  pool       = var.external_network
  port_id    = openstack_networking_port_v2.host[each.key].id
  depends_on = [openstack_networking_router_interface_v2.cluster]
}

locals {
  addresses = { for name, port in openstack_networking_port_v2.host : name => {
    inside  = port.all_fixed_ips[0]
    outside = var.public ? openstack_networking_floatingip_v2.host[name].address : null
  } }
}
