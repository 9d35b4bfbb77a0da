"""
### Adopt a sandbox

A restored copy that a drill or an incident still needs: its lease passes to a named person and the reaper leaves it alone
until the time you give. Drills of regulated tenants' data cannot be kept. `release` hands it back, and it is discarded.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from drillyard.tasks import adopt, seal


@dag(
    schedule=None,
    params={
        "action": Param("adopt", enum=["adopt", "release"], title="Action"),
        "lease": Param(
            "",
            type="string",
            minLength=3,
            title="Lease",
            description="The drill's id, as the record and the readiness page show it.",
        ),
        "person": Param("", type="string", minLength=2, title="Person", description="A name from the platform's people."),
        "hours": Param(8, type="integer", minimum=1, maximum=168, title="Hours"),
    },
    doc_md=__doc__,
    tags=["control"],
)
def adopt_sandbox() -> None:
    adopt() >> seal.override(trigger_rule="all_success")()


adopt_sandbox()
