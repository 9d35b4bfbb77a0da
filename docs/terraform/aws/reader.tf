# In each account whose databases are verified: a role that lists, and what lets the recovery account restore from its copies.

variable "backup_key_arn" {
  description = "KMS key of the snapshots that the recovery account restores from. Empty: none."
  type        = string
  default     = ""
}

resource "aws_iam_role" "reader" {
  name               = "drillyard-verify"
  description        = "Reads backups for verification; changes nothing"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "reader" {
  for_each = toset(["drill_restores", "verify_backups"])
  name     = each.key
  role     = aws_iam_role.reader.id
  policy   = file("${var.policies}/${each.key}.reader.json")
}

# The recovery account uses the key by a grant that RDS asks for; nothing else of the key is given away.
data "aws_iam_policy_document" "backup_key" {
  statement {
    sid       = "RecoveryAccountRestores"
    actions   = ["kms:DescribeKey", "kms:CreateGrant"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${var.recovery_account}:role/drillyard-recovery"]
    }
  }
}

output "key_statement" {
  description = "Add this statement to the policy of the key that encrypts the copies."
  value       = var.backup_key_arn == "" ? "" : data.aws_iam_policy_document.backup_key.json
}
