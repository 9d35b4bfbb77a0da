"""
### Stop everything

Trigger with `stop`: running drills end safely (their sandboxes are discarded, their records say who stopped them) and no new
drill begins, scheduled or by hand, until somebody triggers this DAG with `resume`.
From a terminal: `drillyard stop`, `drillyard resume`.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from drillyard.tasks import global_stop, seal


@dag(
    schedule=None,
    params={
        "action": Param("stop", enum=["stop", "resume"], title="Action"),
        "reason": Param("", type="string", minLength=3, title="Reason", description="Goes into the evidence."),
    },
    doc_md=__doc__,
    tags=["control"],
)
def stop_drills() -> None:
    global_stop() >> seal.override(trigger_rule="all_success")()


stop_drills()
