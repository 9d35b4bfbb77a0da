# The recovery account for restore drills on RDS: a network without a way out, a harmless parameter group, and the roles
# whose policies Drillyard generates. The reader's role lives in each source account: see reader.tf.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "recovery_account" {
  description = "Number of the account in which sandboxes are made."
  type        = string
}

variable "drillyard_principals" {
  description = "ARNs that may become Drillyard's roles: the workers' own roles (web identity, instance or task roles)."
  type        = list(string)
}

variable "workers_security_group" {
  description = "Security group of Drillyard's workers, in a VPC that is peered with the sandbox's."
  type        = string
}

variable "external_id" {
  description = "Agreed with whoever assumes the roles; goes into the connection's assume_role_kwargs as ExternalId."
  type        = string
}

variable "policies" {
  description = "Folder with the generated policies: include/clouds/aws/iam of the project."
  type        = string
  default     = "../../../include/clouds/aws/iam"
}

variable "availability_zones" {
  description = "Two zones of the region."
  type        = list(string)
}

# ---- the sandbox network: no internet gateway, no NAT, no route to production --------------------------------------

resource "aws_vpc" "sandbox" {
  cidr_block           = "10.71.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "drillyard-sandbox" }
}

resource "aws_subnet" "sandbox" {
  count             = length(var.availability_zones)
  vpc_id            = aws_vpc.sandbox.id
  cidr_block        = cidrsubnet(aws_vpc.sandbox.cidr_block, 8, count.index)
  availability_zone = var.availability_zones[count.index]
  tags              = { Name = "drillyard-sandbox-${count.index}" }
}

resource "aws_db_subnet_group" "sandbox" {
  name        = "drillyard-sandbox"
  description = "Restored copies, no route out"
  subnet_ids  = aws_subnet.sandbox[*].id
}

# Without an egress block the provider removes the default rule that lets everything out.
resource "aws_security_group" "sandbox" {
  name        = "drillyard-sandbox"
  description = "In from Drillyard's workers, out to nobody"
  vpc_id      = aws_vpc.sandbox.id

  ingress {
    description     = "PostgreSQL from the workers"
    from_port       = 5432
    to_port         = 5432
    protocol        = "tcp"
    security_groups = [var.workers_security_group]
  }
}

resource "aws_db_parameter_group" "sandbox" {
  name        = "drillyard-sandbox-18"
  family      = "postgres18"
  description = "Harmless restored copies"

  parameter {
    name         = "max_logical_replication_workers"
    value        = "0"
    apply_method = "pending-reboot"
  }
  parameter {
    name         = "rds.logical_replication"
    value        = "0"
    apply_method = "pending-reboot"
  }
  parameter {
    name         = "shared_preload_libraries"
    value        = ""
    apply_method = "pending-reboot"
  }
}

# ---- the roles --------------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = var.drillyard_principals
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role" "recovery" {
  name               = "drillyard-recovery"
  description        = "Creates and ends sandboxes of restore drills"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "recovery" {
  for_each = toset(["drill_restores", "reap_leftovers", "verify_backups"])
  name     = each.key
  role     = aws_iam_role.recovery.id
  policy   = replace(file("${var.policies}/${each.key}.recovery.json"), "ACCOUNT", var.recovery_account)
}

output "settings" {
  description = "For platform.yaml, clouds.aws.settings.networks.REGION."
  value = {
    subnet_group     = aws_db_subnet_group.sandbox.name
    security_groups  = [aws_security_group.sandbox.id]
    parameter_groups = { "18" = aws_db_parameter_group.sandbox.name }
    role_arn         = aws_iam_role.recovery.arn
  }
}
