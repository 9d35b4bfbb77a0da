"""What Airflow's own UI gets from Drillyard: the readiness page under its navigation, behind its login.

One flat file: the plugin loader runs every file below plugins/ as a module of its own, so the package `drillyard` is listed
in `.airflowignore` and imported from here.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from drillyard.pages import app


class DrillyardPlugin(AirflowPlugin):
    """The pages and where Airflow shows them."""

    name = "drillyard"
    fastapi_apps = [{"app": app, "url_prefix": "/drillyard", "name": "Drillyard"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Readiness",
            "href": "/drillyard/readiness",
            "url_route": "readiness",
            "destination": "nav",
            "category": "browse",
        }
    ]
