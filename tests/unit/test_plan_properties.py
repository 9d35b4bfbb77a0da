"""What holds for every history: nights are played through, with drills that pass, fail or are cut off."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from catalog_files import HARBOUR
from hypothesis import given, settings
from hypothesis import strategies as st

from include.catalog.load import load
from include.recovery.model import PlanItem, Request
from include.recovery.plan import History, plan

PLATFORM = load(HARBOUR, {})
DATASTORES = PLATFORM.catalog.datastores()
TIERS = PLATFORM.catalog.platform.tiers
FIRST = datetime(2027, 3, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
OUTCOMES = st.sampled_from(["passed", "failed", "cut off", "not begun"])


def drilled(past: History, item: PlanItem, outcome: str, at: datetime) -> History:
    """The history after one drill, as the ledger tells it."""
    if outcome == "not begun":
        return past
    after = {"last_attempt": at, "last_slot": item.drill_id.rpartition(".")[2], "in_progress": None}
    if outcome == "passed":
        after["last_passed"] = at
    if outcome == "cut off":
        after["in_progress"] = item.drill_id
    return past.model_copy(update=after)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_in_one_slot_a_datastore_has_one_drill_and_a_concluded_one_is_not_repeated(data):
    history: dict[str, History] = {}
    now = FIRST
    concluded: set[str] = set()
    for _ in range(data.draw(st.integers(1, 8))):
        now += data.draw(st.sampled_from([timedelta(minutes=5), timedelta(hours=5), DAY, 9 * DAY]))
        items = plan(PLATFORM, history, now)
        assert len({item.datastore_id for item in items}) == len(items)
        for item in items:
            assert item.drill_id not in concluded
            assert plan(PLATFORM, history, now, only=[item.datastore_id])[0].drill_id == item.drill_id
            outcome = data.draw(OUTCOMES)
            key = item.datastore_id
            history[key] = drilled(history.get(key, History()), item, outcome, now)
            if outcome in ("passed", "failed"):
                concluded.add(item.drill_id)
    for key, past in history.items():
        if past.in_progress is None and past.last_slot == now.date().isoformat():
            assert plan(PLATFORM, history, now, only=[key]) == (), "this slot is done"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 180), min_size=70, max_size=70))
def test_nightly_runs_that_pass_prove_everything_within_its_cadence_and_a_day(minutes):
    history: dict[str, History] = {}
    proofs: dict[str, list[datetime]] = {key: [] for key in DATASTORES}
    nights = [FIRST + number * DAY + timedelta(minutes=late) for number, late in enumerate(minutes)]
    for now in nights:
        for item in plan(PLATFORM, history, now):
            proofs[item.datastore_id].append(now)
            history[item.datastore_id] = drilled(history.get(item.datastore_id, History()), item, "passed", now)
    for key, (service, _) in DATASTORES.items():
        every = TIERS[service.tier].drill_every
        times = [*proofs[key], nights[-1]]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) <= every + DAY
        assert min(gaps[:-1]) >= every - DAY, "nor more often than a night early"


def test_a_weekly_tier_stays_on_its_night_although_drills_take_their_time():
    history: dict[str, History] = {}
    nights = []
    for number in range(70):
        now = FIRST + number * DAY
        for item in plan(PLATFORM, history, now, only=["orders"]):
            nights.append(number)
            history["orders/main"] = drilled(History(), item, "passed", now + timedelta(minutes=20))
    assert nights == list(range(0, 70, 7))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(DATASTORES)), st.timedeltas(timedelta(0), 60 * DAY)))
def test_dependencies_come_first_whatever_is_due(ages):
    history = {key: History(last_passed=FIRST - ago, last_attempt=FIRST - ago) for key, ago in ages.items()}
    place = {item.service: number for number, item in enumerate(plan(PLATFORM, history, FIRST))}
    for name, number in place.items():
        assert all(place[other] < number for other in PLATFORM.catalog.services[name].depends_on if other in place)


@settings(max_examples=40, deadline=None)
@given(
    st.datetimes(datetime(2026, 11, 24), datetime(2026, 12, 3)),
    st.sampled_from(["schedule", "ada", "grace", "stranger"]),
    st.sampled_from([None, "", "a reason"]),
)
def test_in_a_blackout_nothing_runs_but_what_a_named_person_overrides(naive, who, reason):
    now = naive.replace(tzinfo=UTC)
    window = PLATFORM.catalog.platform.blackouts[0]
    request = Request(requested_by=who, reason="test", override_blackout=reason)
    inside = window.starts <= now < window.ends
    for item in plan(PLATFORM, {}, now, request=request, ignore_due=True):
        held = item.held is not None and "blackout" in item.held
        overridden = who == "grace" and reason == "a reason"
        assert held is (inside and item.tier in window.tiers and not overridden)
