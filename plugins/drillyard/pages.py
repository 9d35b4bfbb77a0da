"""The pages that Airflow serves for Drillyard. Every route wants Airflow's login: a plugin's app has none of its own."""

from __future__ import annotations

from pathlib import Path

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse

app = FastAPI(
    title="Drillyard",
    dependencies=[Depends(requires_authenticated())],
    docs_url=None,  # these would be routes without the login
    redoc_url=None,
    openapi_url=None,
)


def _report(*parts: str) -> Path:
    """A file below the reports. 404 says what makes it; nothing outside the folder is ever given."""
    from include.settings import report_dir

    root = report_dir().resolve()
    path = root.joinpath(*parts).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise HTTPException(404, "not published yet: the DAG publish_readiness writes it, hourly and after new evidence")
    return path


@app.get("/readiness")
def readiness_page() -> FileResponse:
    """The readiness page as it was last published. Ages are computed in the browser."""
    return FileResponse(_report("readiness.html"), media_type="text/html", headers={"Cache-Control": "no-store"})


@app.get("/readiness.json")
def readiness_json() -> FileResponse:
    """The same as JSON (schema: include/evidence/schema/readiness.schema.json)."""
    return FileResponse(_report("readiness.json"), media_type="application/json", headers={"Cache-Control": "no-store"})


@app.get("/data-docs/{path:path}")
def data_docs(path: str) -> FileResponse:
    """Great Expectations' Data Docs of the drills: counts, never rows."""
    return FileResponse(_report("data-docs", *path.split("/")))
