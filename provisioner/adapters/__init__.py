"""The only code that touches the world: SSH, Ansible, Terraform."""
