"""An export for auditors: what was due in a period, what was done, missed, held and waived, each with its evidence."""
