# Hosts of the project's own lab, made and removed through Terraform: containers on this machine, no provider, no registry.
# `provision` must be on PATH; `provision infra` puts its own there.

terraform {
  required_version = ">= 1.4" # terraform_data
}

variable "name" {
  description = "Name of the lab; the cluster is called lab-<name>."
  type        = string
  default     = "terraform"
}

variable "masters" {
  description = "Hosts m1, m2 … A lab grows, it never shrinks: a smaller number changes nothing."
  type        = number
  default     = 3
}

variable "agents" {
  description = "Hosts a1, a2 …, likewise."
  type        = number
  default     = 2
}

variable "os" {
  description = "Operating system of the hosts, as in `provision lab up --os`."
  type        = string
  default     = "debian12"
}

# There from the beginning, so that whatever a lab that failed half way has left is destroyed too.
resource "terraform_data" "lab" {
  input            = var.name
  triggers_replace = [var.name, var.os]

  provisioner "local-exec" {
    when        = destroy
    command     = "exec provision lab down --ignore-missing --name \"$NAME\""
    environment = { NAME = self.output }
  }
}

# Makes the lab, or adds what is missing; tried again after a failure.
resource "terraform_data" "hosts" {
  input            = "${abspath(path.root)}/.provision/labs/${terraform_data.lab.output}"
  triggers_replace = [terraform_data.lab.id, var.masters, var.agents]

  provisioner "local-exec" {
    command = "exec provision lab up --name \"$NAME\" --masters ${var.masters} --agents ${var.agents} --os \"$SYSTEM\""
    environment = {
      NAME   = terraform_data.lab.output
      SYSTEM = var.os
    }
  }
}

locals {
  # The lab writes an inventory of its own. Empty when the lab was thrown away past Terraform: then `infra down`, and `infra up` again.
  written = try(yamldecode(file("${terraform_data.hosts.output}/inventory.yml")), {})
}

output "hosts" {
  description = "See docs/infra.md."
  value = merge([for group in ["masters", "agents"] : {
    for name, host in try(local.written.all.children[group].hosts, {}) : name => {
      address = host.ansible_host
      groups  = [group]
    }
  }]...)
}

output "variables" {
  description = "See docs/infra.md."
  value = merge(
    # The keys of its hosts are pinned for the lab's own inventory; this one's are recorded at first contact.
    { for name, value in try(local.written.all.vars, {}) : name => value if name != "ansible_ssh_common_args" },
    { cluster_name = "lab-${terraform_data.lab.output}", cluster_catalogue = "${terraform_data.hosts.output}/catalogue.json" },
  )
}
