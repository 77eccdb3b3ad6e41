# A cluster on Amazon EC2, in a network of its own. Never applied by this project: see docs/infra.md.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "image" {
  description = "AMI of the hosts, one with cloud-init: Debian 12 in your region, for example."
  type        = string
}

variable "sizes" {
  description = "Instance types."
  type        = object({ masters = string, agents = string })
  default     = { masters = "m6i.large", agents = "m6i.xlarge" }
}

variable "disk_gb" {
  description = "Root disk of each host."
  type        = number
  default     = 50
}

variable "public" {
  description = "Whether the hosts get public addresses. Without them reach the network in another way, and set ansible_ssh_common_args."
  type        = bool
  default     = true
}

resource "aws_vpc" "cluster" {
  cidr_block = var.network
  tags       = { Name = var.name }
}

resource "aws_internet_gateway" "cluster" {
  vpc_id = aws_vpc.cluster.id
  tags   = { Name = var.name }
}

resource "aws_subnet" "cluster" {
  vpc_id     = aws_vpc.cluster.id
  cidr_block = var.network
  tags       = { Name = var.name }
}

resource "aws_route_table" "cluster" {
  vpc_id = aws_vpc.cluster.id
  tags   = { Name = var.name }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.cluster.id
  }
}

resource "aws_route_table_association" "cluster" {
  subnet_id      = aws_subnet.cluster.id
  route_table_id = aws_route_table.cluster.id
}

resource "aws_security_group" "hosts" {
  for_each    = toset(["masters", "agents"])
  name        = "${var.name}-${each.key}"
  description = "${each.key} of the cluster ${var.name}"
  vpc_id      = aws_vpc.cluster.id
}

resource "aws_vpc_security_group_ingress_rule" "between_hosts" {
  for_each          = local.rules
  security_group_id = aws_security_group.hosts[each.value.group].id
  cidr_ipv4         = var.network
  from_port         = each.value.from
  to_port           = each.value.to
  ip_protocol       = each.value.protocol
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = { for pair in setproduct(["masters", "agents"], var.ssh_from) : join(" ", pair) => pair }
  security_group_id = aws_security_group.hosts[each.value[0]].id
  cidr_ipv4         = each.value[1]
  from_port         = 22
  to_port           = 22
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "all" {
  for_each          = aws_security_group.hosts
  security_group_id = each.value.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_instance" "host" {
  for_each                    = local.hosts
  ami                         = var.image
  instance_type               = var.sizes[each.value.group]
  subnet_id                   = aws_subnet.cluster.id
  private_ip                  = each.value.inside
  associate_public_ip_address = var.public
  vpc_security_group_ids      = [aws_security_group.hosts[each.value.group].id]
  user_data                   = local.cloud_init[each.key]
  tags                        = { Name = "${var.name}-${each.key}" }

  root_block_device {
    volume_size = var.disk_gb
    volume_type = "gp3"
  }

  metadata_options {
    http_tokens = "required"
  }

  lifecycle {
    ignore_changes = [ami, user_data] # another image is no reason to destroy a member of a quorum
  }
}

locals {
  addresses = { for name, host in aws_instance.host : name => {
    inside  = host.private_ip
    outside = var.public ? host.public_ip : null
  } }
}
