# In each account whose idle environments are suspended: a role that switches them off and on again, and never production's.

resource "aws_iam_role" "power" {
  name               = "drillyard-power"
  description        = "Suspends idle environments and wakes them; anything tagged as production is denied"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "power" {
  for_each = toset(["suspend_environments"])
  name     = each.key
  role     = aws_iam_role.power.id
  policy   = file("${var.policies}/${each.key}.power.json")
}
