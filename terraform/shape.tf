# The same file for every provider (the others are links to it): which hosts there are, who may log in, what they tell `provision`.
# A provider's main.tf makes machines of local.hosts, opens local.rules, and defines
#   local.addresses = { m1 = { inside = "10.60.0.11", outside = "203.0.113.7" or null }, … }

variable "name" {
  description = "Name of the cluster; everything that is made is called after it."
  type        = string
  default     = "cluster"
}

variable "masters" {
  description = "Hosts m1, m2 …: an odd number. Take a host out with `provision remove` before you lower it: the last ones go."
  type        = number
  default     = 3

  validation {
    condition     = contains([1, 3, 5, 7, 9], var.masters)
    error_message = "Masters vote: 1, 3, 5, 7 or 9 of them."
  }
}

variable "agents" {
  description = "Hosts a1, a2 …, likewise."
  type        = number
  default     = 2
}

variable "network" {
  description = "Addresses of the hosts, IPv4. Masters get the 11th and following, agents the 101st and following."
  type        = string
  default     = "10.60.0.0/22"
}

variable "user" {
  description = "Account that cloud-init makes: it logs in with the key and may use sudo without a password."
  type        = string
  default     = "provision"
}

variable "ssh_public_key" {
  description = "The key of that account, as in authorized_keys."
  type        = string
}

variable "ssh_private_key_file" {
  description = "Its private half on the machine that runs `provision`; null: ssh's own configuration or agent knows it."
  type        = string
  default     = null
}

variable "ssh_from" {
  description = "Networks from which SSH is allowed."
  type        = list(string)
}

variable "variables" {
  description = "Further variables of the inventory, for all hosts: cluster_mirror, ansible_ssh_common_args …"
  type        = any
  default     = {}
}

variable "ports" {
  description = "What the hosts open to each other, by group; ports.auto.tfvars.json holds what the roles listen on by default."
  type        = map(list(object({ from = number, to = number, protocol = string })))
}

locals {
  hosts = merge(
    { for n in range(1, var.masters + 1) : "m${n}" => { group = "masters", inside = cidrhost(var.network, 10 + n) } },
    { for n in range(1, var.agents + 1) : "a${n}" => { group = "agents", inside = cidrhost(var.network, 100 + n) } },
  )
  rules = { for rule in flatten([for group, rules in var.ports : [for r in rules : merge(r, { group = group })]]) :
  "${rule.group}-${rule.protocol}-${rule.from}" => rule }
  cloud_init = { for name, host in local.hosts : name => "#cloud-config\n${yamlencode({
    hostname   = name
    ssh_pwauth = false
    users = [{
      name                = var.user
      shell               = "/bin/bash"
      sudo                = "ALL=(ALL) NOPASSWD:ALL"
      lock_passwd         = true
      ssh_authorized_keys = [var.ssh_public_key]
    }]
  })}" }
}

output "hosts" {
  description = "See docs/infra.md."
  value = { for name, host in local.hosts : name => {
    address   = coalesce(local.addresses[name].outside, local.addresses[name].inside)
    groups    = [host.group]
    variables = { cluster_address = local.addresses[name].inside }
  } }
}

output "variables" {
  description = "See docs/infra.md."
  value = merge(var.variables, {
    cluster_name                 = var.name
    ansible_user                 = var.user
    ansible_ssh_private_key_file = var.ssh_private_key_file
  })
}
