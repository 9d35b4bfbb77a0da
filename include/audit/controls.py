"""The controls that auditors ask for, each with what this export shows of it and what it does not."""

from __future__ import annotations

from include.audit.model import ControlLine


def _line(framework: str, reference: str, title: str, shows: str, does_not_show: str) -> ControlLine:
    return ControlLine(framework=framework, reference=reference, title=title, shows=shows, does_not_show=does_not_show)


CONTROLS = (
    _line(
        "SOC 2 (TSC 2017)",
        "A1.2",
        "Backup processes and recovery infrastructure are operated and monitored",
        "Each datastore's backups were verified at the stated rate: age, wholeness, size, copy in another failure domain, "
        "encryption and retention; verifications.csv.",
        "Environmental protections, capacity, and backups of anything that the catalog does not name.",
    ),
    _line(
        "SOC 2 (TSC 2017)",
        "A1.3",
        "Recovery plan procedures are tested",
        "Each restore that was due, done, missed, held or waived, with measured RTO and RPO beside their targets; drills.csv.",
        "Whether people knew the plan: a drill restores databases, it does not exercise a crisis team.",
    ),
    _line(
        "ISO 22301:2019",
        "8.5",
        "Exercise programme",
        "Exercises at planned intervals by tier, with their results; what was not exercised, and why; drills.csv, waivers.csv.",
        "Scenarios other than the loss of a database, and the review of the results by management.",
    ),
    _line(
        "DORA (EU) 2022/2554",
        "Art. 11",
        "Response and recovery: continuity plans are tested, at least yearly",
        "Tests of ICT recovery for each service of the catalog at its tier's cadence, with dated results.",
        "Crisis communication, scenarios of cyber-attack and of the switchover of whole sites.",
    ),
    _line(
        "DORA (EU) 2022/2554",
        "Art. 12",
        "Backup policies, restoration and recovery procedures",
        "Backups are tested by restoring them into an environment that is apart from production, with integrity checks of the "
        "restored data; RTO and RPO are measured for each function.",
        "That the policy's scope is right: frequency and targets are read from the catalog, not judged. Logical and physical "
        "segregation is checked for the sandbox, not for every backup system.",
    ),
    _line(
        "NIST SP 800-53 Rev. 5",
        "CP-4",
        "Contingency plan testing",
        "The tests, their dates, results and findings; failed drills are repeated the next night and both are listed.",
        "Coordination with related plans, and corrective action beyond the repeated drill.",
    ),
    _line(
        "NIST SP 800-53 Rev. 5",
        "CP-9, CP-9(1), CP-9(2)",
        "System backup; testing for reliability and integrity; test restoration",
        "User-level and system-level data of databases: verified backups, and restores of them that answered business questions.",
        "Backups of system documentation, and of systems that the catalog does not name.",
    ),
)
