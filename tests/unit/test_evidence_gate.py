"""The gate for release pipelines: closed with every reason, open when all holds, 2 when nobody can tell."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from include.cli import build
from include.evidence.gate import Gate, UnknownService, gate
from include.evidence.readiness import Evidence, readiness
from include.evidence.readiness_model import Readiness, Seal
from include.evidence.schemas import FOLDER
from include.evidence.stores import Stores, open_store
from tests.unit.evidence_samples import a_drill, a_verification
from tests.unit.readiness_samples import DAY, NOW, a_loaded, a_service, proven

ORDERS, STOCK = a_service("orders", depends_on=["stock"]), a_service("stock")
SEAL = Seal(word="TRUSTED", head=None)


def report(evidence: Evidence, seal: Seal | None = SEAL, broken: dict[str, str] | None = None) -> Readiness:
    return readiness(a_loaded(ORDERS, STOCK, a_service("notes", "tier-3"), broken=broken), evidence, None, NOW, seal=seal)


def texts(answer: Gate) -> str:
    return "; ".join(f"{one.subject}: {one.text}" for one in answer.reasons)


def test_a_proven_service_is_open_and_names_its_evidence() -> None:
    answer = gate(report(proven(ORDERS)), "orders", NOW, restore_within=7 * DAY, verify_within=DAY)
    assert (answer.decision, answer.proven, answer.reasons) == ("open", True, ())
    assert len(answer.evidence) == 2


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_an_age_is_allowed_up_to_its_limit(seconds: int) -> None:
    old = proven(ORDERS, age=2 * DAY + timedelta(seconds=seconds))
    answer = gate(report(old), "orders", NOW, restore_within=2 * DAY)
    assert answer.decision == ("closed" if seconds > 0 else "open")
    assert ("one within 2d is asked for" in texts(answer)) is (seconds > 0)


def test_every_reason_is_given_and_a_failed_drill_closes() -> None:
    bad = Evidence(
        drills={"orders/main": a_drill("orders", "main", NOW - DAY, "failed")},
        verifications={"orders/main": a_verification("orders", "main", NOW - 2 * DAY, verdict="failed")},
    )
    answer = gate(report(bad), "orders", NOW, restore_within=7 * DAY, verify_within=DAY)
    assert answer.decision == "closed"
    for word in ("failed", "no drill has passed", "no passed verification"):
        assert word in texts(answer)


def test_what_was_never_proven_closes_and_a_dependency_only_when_asked() -> None:
    evidence = proven(ORDERS)
    assert gate(report(evidence), "orders", NOW).decision == "open"
    answer = gate(report(evidence), "orders", NOW, with_dependencies=True)
    assert answer.decision == "closed" and answer.dependencies == ("stock",) and "stock/main: unknown" in texts(answer)


def test_a_tier_that_does_not_block_lets_pass_unless_strict() -> None:
    loose = gate(report(Evidence()), "notes", NOW)
    assert (loose.decision, loose.proven) == ("open", False)
    assert gate(report(Evidence()), "notes", NOW, strict=True).decision == "closed"


@pytest.mark.parametrize(
    ("word", "trusted", "closed"),
    [("BROKEN", False, True), ("NONE", False, True), ("UNTRUSTED", False, False), ("UNTRUSTED", True, True), (None, False, True)],
)
def test_evidence_that_is_worth_nothing_proves_nothing(word: str | None, trusted: bool, closed: bool) -> None:
    seal = Seal.model_validate({"word": word, "head": None}) if word else None
    answer = gate(report(proven(ORDERS), seal), "orders", NOW, require_trusted=trusted)
    assert (answer.decision == "closed") is closed


def test_a_broken_service_is_closed_whatever_tiers_say_and_an_unknown_one_is_refused_with_a_hint() -> None:
    answer = gate(report(proven(ORDERS), broken={"carts": "services/carts.yaml:3: no"}), "carts", NOW)
    assert answer.decision == "closed" and "carts.yaml" in texts(answer)
    with pytest.raises(UnknownService, match=r"'order'.*orders"):
        gate(report(proven(ORDERS)), "order", NOW)


def run(tmp_path: Path, *arguments: str, source: str | None = None) -> tuple[int, str]:
    made = CliRunner().invoke(build(), ["gate", *arguments, "--from", source or str(tmp_path)])
    return made.exit_code, made.output


def test_the_command_works_from_a_store_alone_and_its_json_follows_the_schema(tmp_path: Path) -> None:
    Stores([open_store(str(tmp_path))]).write_record(a_verification("analytics", "facts", NOW))
    code, text = run(tmp_path, "order-intake", "--restore-within", "7d", "--format", "json")
    answer = json.loads(text)
    Draft202012Validator(json.loads((FOLDER / "gate.schema.json").read_text())).validate(answer)
    assert (code, answer["decision"], answer["tier_blocks_release"]) == (1, "closed", True)
    code, text = run(tmp_path, "analytics")
    assert code == 0 and "although it is not proven" in text


def test_the_command_says_2_when_nobody_can_tell(tmp_path: Path) -> None:
    assert run(tmp_path, "orders-intake")[0] == 2
    assert run(tmp_path, "order-intake", "--catalog", str(tmp_path / "none"))[0] == 2
    code, text = run(tmp_path, "order-intake", "--restore-within", "7")
    assert code == 2 and "--restore-within" in text
