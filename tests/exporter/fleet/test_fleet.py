"""The fleet that lives: deployment, faults, scenarios, pages."""

import pytest

from exporter.fleet.fleet import AheadError, Fleet, UnknownError
from tests.exporter.fleet.series import NOON


def manual(size=20):
    return Fleet(seed=1, size=size, start=NOON, deploy="manual")


def test_auto_deploys_one_a_second():
    fleet = Fleet(start=NOON)
    assert [fleet.count(NOON + s) for s in (-5, 0, 0.9, 1, 7.5, 19, 3600)] == [1, 1, 1, 2, 8, 20, 20]


def test_manual_waits_to_be_asked():
    fleet = manual()
    assert fleet.count(NOON + 3600) == 0
    assert fleet.deploy_next(0, NOON).server.hostname == "web-prod-01"
    assert [s.hostname for s in fleet.deployed(NOON)] == ["web-prod-01"]


def test_asking_again_answers_the_same_server_again():
    fleet = manual()
    first, again = fleet.deploy_next(0, NOON), fleet.deploy_next(0, NOON)
    assert first == again
    assert (again.count, fleet.count(NOON)) == (1, 1)


def test_counting_ahead_is_refused_with_the_true_count():
    fleet = manual()
    fleet.deploy_next(None, NOON)
    with pytest.raises(AheadError) as refused:
        fleet.deploy_next(2, NOON)
    assert refused.value.count == 1


def test_a_complete_fleet_stays_complete():
    fleet = manual(size=2)
    hosts = [fleet.deploy_next(None, NOON).server for _ in range(3)]
    assert [h.hostname if h else None for h in hosts] == ["web-prod-01", "db-master-01", None]
    assert fleet.count(NOON) == 2


def test_a_reset_turns_auto_off():
    fleet = Fleet(start=NOON)
    fleet.reset(NOON + 60)
    assert (fleet.count(NOON + 120), fleet.deploy) == (0, "manual")


def test_asking_for_more_than_auto_has_deployed_is_one_more():
    fleet = Fleet(start=NOON)
    assert fleet.deploy_next(None, NOON).server.hostname == "db-master-01"
    assert (fleet.count(NOON), fleet.count(NOON + 5)) == (2, 6)


def test_a_server_that_is_not_deployed_has_no_page():
    with pytest.raises(UnknownError):
        manual().page("web-prod-01", NOON)


def test_a_crashed_server_has_no_page_until_it_is_back():
    fleet = Fleet(start=NOON - 60)
    fleet.plant("crash", "auth-01", NOON, duration_seconds=120)
    assert fleet.page("auth-01", NOON + 1) is None
    assert fleet.page("web-prod-01", NOON + 1) is not None
    assert b"node_boot_time_seconds" in fleet.page("auth-01", NOON + 121)


def test_pages_of_two_processes_agree():
    here, there = Fleet(seed=4, start=NOON - 60), Fleet(seed=4, start=NOON - 7200)
    here.page("mail-01", NOON - 5)
    assert here.page("mail-01", NOON) == there.page("mail-01", NOON)
    assert here.page("mail-01", NOON) != Fleet(seed=5, start=NOON - 60).page("mail-01", NOON)


def test_a_fault_cannot_change_the_past():
    fleet = Fleet(start=NOON - 60)
    with pytest.raises(ValueError, match="between now and 30 days"):
        fleet.plant("steal", "auth-01", NOON, start=NOON - 600)
    assert fleet.plant("steal", "auth-01", NOON, start=NOON - 5).start == NOON


def test_faults_are_bounded():
    fleet = Fleet(start=NOON)
    for _ in range(500):
        fleet.plant("steal", "auth-01", NOON)
    with pytest.raises(ValueError, match="lift some first"):
        fleet.plant("steal", "auth-01", NOON)


def test_a_lifted_fault_is_no_longer_true():
    fleet = Fleet(start=NOON - 60)
    fault = fleet.plant("steal", "auth-01", NOON)
    assert {row.server for row in fleet.active_faults(NOON + 1)} >= {"auth-01", "api-gateway-prod"}
    fleet.lift(fault.id, NOON + 2)
    assert fleet.active_faults(NOON + 2) == []
    with pytest.raises(UnknownError):
        fleet.lift("fault-9999", NOON)


def test_truth_is_told_of_deployed_servers_only():
    fleet = manual()
    fleet.plant("steal", "web-prod-01", NOON)
    assert fleet.active_faults(NOON + 1) == []
    fleet.deploy_next(0, NOON)
    assert [row.server for row in fleet.active_faults(NOON + 1)] == ["web-prod-01"]


def play(name, hours=12):
    fleet = Fleet(seed=1, start=NOON)
    fleet.set_scenario(name, NOON)
    for minute in range(hours * 60):
        fleet.faults(NOON + 60 * minute)
    return fleet


def test_scenarios_plant_what_their_names_say():
    assert play("normal").faults(NOON + 43_200) == ()
    stress, failure = (play(name).faults(NOON + 43_200) for name in ("stress", "failure"))
    assert sum(f.benign for f in stress) > len(stress) / 2
    assert len(failure) > 10
    assert not any(f.benign for f in failure)


def test_two_plays_of_a_scenario_agree():
    assert play("failure", 4).faults(NOON + 14_400) == play("failure", 4).faults(NOON + 14_400)


def test_the_next_scenario_ends_the_one_before():
    fleet = play("failure", 4)
    fleet.set_scenario("normal", NOON + 14_400)
    assert fleet.active_faults(NOON + 14_401) == []
    with pytest.raises(ValueError, match="one of normal, stress, failure"):
        fleet.set_scenario("apocalypse", NOON)
