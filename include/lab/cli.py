"""`drillyard lab`: a distribution business on real PostgreSQL servers, on one machine, with faults to plant."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from include.lab import backups, clouds, environment, home, lab, state
from include.lab.faults import board

app = typer.Typer(no_args_is_help=True, help=__doc__)

Home = Annotated[Path | None, typer.Option("--home", help="The lab's folder. Default: DRILLYARD_LAB_HOME, or build/lab.")]


@app.command()
def up(
    where: Home = None,
    rows: Annotated[int, typer.Option(min=20_000, help="Order lines of a new lab; everything else is in proportion.")] = lab.ROWS,
    with_clouds: Annotated[
        str | None, typer.Option("--clouds", help=f"{','.join(clouds.ALL)} or some of them, or none. Default: those it has.")
    ] = None,
) -> None:
    """Start everything; make it first where there is nothing (then with all clouds). May be run twice."""
    chosen = lab.usual_clouds(where) if with_clouds is None else _named(with_clouds)
    lab.up(where, rows=rows, clouds=chosen, tell=typer.echo)


def _named(text: str) -> list[str]:
    """Clouds by name. Raises BadParameter for one that the lab does not have."""
    names = [] if text == "none" else text.split(",")
    if unknown := [name for name in names if name not in clouds.ALL]:
        raise typer.BadParameter(f"no cloud named {unknown[0]!r}; known: {', '.join(clouds.ALL)}, none")
    return names


@app.command()
def down(
    where: Home = None, purge: Annotated[bool, typer.Option("--purge", help="Delete the lab's data as well.")] = False
) -> None:
    """Stop every process of the lab."""
    lab.down(where, purge=purge, tell=typer.echo)


@app.command()
def status(where: Home = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """What runs, on which port. Exit code 1 when something does not."""
    found = lab.status(where)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        typer.echo(f"lab in {found['home']}")
        for server in found["servers"]:
            runs = f"port {server['port']}, pid {server['pid']}" if server["pid"] else "stopped"
            typer.echo(f"  {server['name']:<14}{server['domain']:<10}{runs:<26}{', '.join(server['services'])}")
        for cloud in found["clouds"]:
            runs = f"{cloud['url']}, pid {cloud['pid']}" if cloud["pid"] else "stopped"
            typer.echo(f"  {cloud['name']:<14}{'double':<10}{runs}")
        typer.echo(f"  order generator: {'pid ' + str(found['writer']) if found['writer'] else 'stopped'}")
    if not found["writer"] or not all(one["pid"] for one in (*found["servers"], *found["clouds"])):
        raise typer.Exit(1)


@app.command()
def backup(service: Annotated[str | None, typer.Argument(help="Default: all.")] = None, where: Home = None) -> None:
    """Run the backup job: base backups and dumps, signed digests, copies in the other failure domain."""
    known = state.load(where or home.lab_home())
    with state.locked(known.home):
        for made in backups.back_up(known, service):
            typer.echo(str(made))


@app.command(name="break")
def break_(
    fault: Annotated[
        str, typer.Argument(help=f"all, or one of: {', '.join(board.FAULTS)}; those of clouds begin with their name")
    ],
    service: Annotated[str | None, typer.Argument(help="Default: a fitting service, another for each fault.")] = None,
    where: Home = None,
) -> None:
    """Plant a fault, or all of them on distinct services. What is planted is listed in faults.json."""
    place = where or home.lab_home()
    try:
        if fault != "all":
            done = board.plant(place, fault, service)
            typer.echo(f"{done.fault} on {done.service}: {done.evidence}")
        elif service is None:
            board.plant_all(place, tell=typer.echo)
        else:
            raise ValueError("`break all` plants each fault on a service of its own: leave the service out")
    except (KeyError, ValueError) as error:
        raise typer.BadParameter(str(error.args[0])) from error


@app.command()
def mend(service: Annotated[str | None, typer.Argument(help="Default: all.")] = None, where: Home = None) -> None:
    """Take planted faults back, and back up what was mended."""
    mended = board.mend(where or home.lab_home(), service)
    for done in mended:
        typer.echo(f"{done.fault} on {done.service} is mended")
    if not mended:
        typer.echo("no fault is planted" + (f" on {service}" if service else ""))


@app.command()
def env(where: Home = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """The variables of ``env.json`` as shell lines: ``eval "$(drillyard lab env)"``. Carries the lab's passwords."""
    found = environment.read(state.load(where or home.lab_home()))
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def mail(where: Home = None) -> None:
    """What the lab's mail server, chat and dead man's switch have received."""
    sink = state.load(where or home.lab_home()).sink
    if sink is None:
        typer.echo("the lab is down: what was received lies in its folder mail")
        raise typer.Exit(1)
    for one in sink.mails():
        typer.echo(f"mail to {one['To']}: {one['Subject']}")
    for asked in sink.requests():
        typer.echo(f"{asked['method']} {asked['path']} {asked['body']}".rstrip())
