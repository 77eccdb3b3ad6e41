"""From Terraform's outputs to hosts that answer: what `provision infra` does around the program itself."""
