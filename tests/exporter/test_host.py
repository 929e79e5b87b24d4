"""This machine's page: a made-up machine against a golden page, and collectors that hang, fail or find nothing."""

import os
import threading
import time
from pathlib import Path

import pytest

from exporter.host import clock, cpu, disk, hardware, network, portable, programs
from exporter.host.files import NoDataError, Paths
from exporter.host.limited import InFlightError, Limited, Refreshed
from exporter.host.machine import NAMES, ON_BY_DEFAULT, Host, Settings
from exporter.host.textfile import Textfile
from tests.exporter.machine import build

GOLDEN = Path(__file__).parent / "host_golden.prom"
# what depends on the machine that runs the test, not on files
REAL = {"psutil", "time", "timex", "uname", "filesystem", "systemd", "gpu"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return build(tmp_path)


def host_of(paths: Paths, *collect: str, limit: float = 5.0, **options) -> Host:
    return Host(Settings(paths=paths, collect=frozenset(collect), limit_seconds=limit), **options)


def values(readings, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(v for _, v in labels): value for found, labels, value in readings if found == name}


def test_made_up_machine_gives_the_golden_page(paths):
    host = Host(Settings(paths, frozenset(NAMES) - REAL, f"{paths.rootfs}/text", 5.0))
    lines = [line.replace(paths.rootfs, "/ROOT") for line in host.text().decode().splitlines()]
    stable = [line for line in lines if not line.startswith(("node_scrape_collector_duration", "node_textfile_mtime"))]
    host.close()
    assert "\n".join(stable) + "\n" == GOLDEN.read_text()


def test_idle_time_that_steps_back_does_not_lower_the_counter(paths):
    times = cpu.CpuTimes()
    list(times(paths))
    Path(paths.proc("stat")).write_text("cpu0 100 10 50 1999 25 0 5 2 7 1\n")
    assert values(times(paths), "node_cpu_seconds_total")[("0", "idle")] == 20.0


def test_cpu_that_was_taken_out_begins_anew(paths):
    times = cpu.CpuTimes()
    list(times(paths))
    Path(paths.proc("stat")).write_text("cpu0 1 1 1 1 1 0 0 0 0 0\n")
    assert values(times(paths), "node_cpu_seconds_total")[("0", "idle")] == 0.01


def test_filesystems_leave_out_what_is_no_disk(paths):
    found = [mountpoint for _, mountpoint, _, _ in disk.mounts(Paths(paths.procfs))]
    assert found == ["/", "/data disk"]


@pytest.mark.parametrize("seen_at", ["/data", "/host/data"])
def test_container_sees_the_machines_mounts_under_their_own_names(seen_at):
    (found,) = disk.parse_mounts(f"/dev/sdb1 {seen_at} xfs rw 0 0\n", "/host")
    assert found == ("/dev/sdb1", "/data", "xfs", False)


def test_filesystem_readings_carry_node_exporters_labels(paths):
    Path(paths.proc("1/mounts")).write_text(f"/dev/sdb1 {paths.rootfs}/data\\040disk xfs ro,noatime 0 0\n")
    filesystems = disk.Filesystems(5.0)
    readings = list(filesystems(paths))
    filesystems.close()
    assert values(readings, "node_filesystem_readonly") == {("/dev/sdb1", "xfs", "/data disk"): 1.0}
    assert values(readings, "node_filesystem_device_error") == {("/dev/sdb1", "xfs", "/data disk"): 0.0}


def test_file_system_that_is_gone_shows_an_error_and_no_sizes(paths):
    Path(paths.proc("1/mounts")).write_text(f"/dev/sdz {paths.rootfs}/nowhere xfs rw 0 0\n")
    filesystems = disk.Filesystems(5.0)
    readings = list(filesystems(paths))
    filesystems.close()
    assert [(name, value) for name, _, value in readings] == [("node_filesystem_device_error", 1.0)]


def test_p10_hung_mount_hides_only_itself(paths, monkeypatch):
    Path(paths.proc("1/mounts")).write_text(f"a {paths.rootfs}/dead nfs4 rw 0 0\nb {paths.rootfs}/data\\040disk xfs rw 0 0\n")
    release = threading.Event()
    real = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda path: release.wait(30) if path.endswith("dead") else real(path))
    filesystems = disk.Filesystems(0.05)
    readings = list(filesystems(paths))
    stuck = filesystems.stuck
    release.set()
    filesystems.close()
    assert values(readings, "node_filesystem_device_error") == {("a", "nfs4", "/dead"): 1.0, ("b", "xfs", "/data disk"): 0.0}
    assert stuck == ["/dead"]


@pytest.fixture
def pipe(paths):
    """A named pipe in the place of a file: opening it blocks until somebody writes."""
    path = Path(paths.proc("loadavg"))
    path.unlink()
    os.mkfifo(path)
    yield path
    with path.open("w") as writer:  # lets the hung reader go
        writer.write("0 0 0")


def test_p10_hung_collector_shows_success_0_and_others_answer(paths, pipe):
    host = host_of(paths, "loadavg", "stat", limit=0.1)
    readings = host.readings()
    host.close()
    assert values(readings, "node_scrape_collector_success") == {("loadavg",): 0.0, ("stat",): 1.0}
    assert values(readings, "node_procs_running") == {(): 3.0}
    assert values(readings, "openmanager_exporter_collectors_in_flight") == {(): 1.0}


def test_p10_hung_collector_costs_time_once_and_one_thread(paths, pipe):
    host = host_of(paths, "loadavg", "stat", limit=0.1)
    host.readings()
    threads, took = threading.active_count(), []
    for _ in range(100):
        started = time.monotonic()
        host.readings()
        took.append(time.monotonic() - started)
    after = threading.active_count()
    host.close()
    assert after <= threads + 1
    assert sorted(took)[98] < 0.1


def test_p10_collector_that_comes_back_is_asked_again(paths, pipe):
    host = host_of(paths, "loadavg", limit=0.1)
    host.readings()
    with pipe.open("w") as writer:
        writer.write("1.5 0 0 1/2 3")
    deadline = time.monotonic() + 5
    while host.limited.stuck and time.monotonic() < deadline:
        time.sleep(0.01)
    pipe.unlink()
    pipe.write_text("2.5 0 0 1/2 3\n")
    assert values(host.readings(), "node_load1") == {(): 2.5}
    host.close()
    pipe.unlink()
    os.mkfifo(pipe)
    threading.Thread(target=pipe.read_text, daemon=True).start()


def test_broken_file_fails_its_collector_only(paths):
    Path(paths.proc("loadavg")).write_text("nonsense\n")
    failures = []
    host = host_of(paths, "loadavg", "stat", failed=lambda name, error: failures.append(name))
    host.readings()
    readings = host.readings()
    host.close()
    assert values(readings, "node_scrape_collector_success") == {("loadavg",): 0.0, ("stat",): 1.0}
    assert failures == ["loadavg"]


def test_what_the_machine_lacks_is_absent_and_not_a_failure(tmp_path):
    failures = []
    host = host_of(Paths(sysfs=str(tmp_path)), "hwmon", "bonding", failed=lambda name, error: failures.append(name))
    names = {name for name, _, _ in host.readings() if not name.startswith(("node_scrape", "openmanager_"))}
    host.close()
    assert (names, failures) == (set(), [])


def test_unknown_collector_is_refused_by_name(paths):
    with pytest.raises(ValueError, match="no such collector: nonsense"):
        host_of(paths, "nonsense")


def test_costly_collectors_are_off_by_default():
    assert set(NAMES) - ON_BY_DEFAULT == {"interrupts", "processes", "psutil", "tcpstat"}


def test_rates_of_processes_survive_odd_names(paths):
    readings = list(cpu.processes(paths))
    assert values(readings, "node_processes_state") == {("R",): 1.0, ("S",): 1.0}
    assert values(readings, "node_processes_threads") == {(): 8.0}


def test_tcp_states_are_counted(paths):
    found = values(network.tcpstat(paths), "node_tcp_connection_states")
    assert found == {("established",): 1.0, ("listen",): 1.0, ("rx_queued_bytes",): 2.0, ("tx_queued_bytes",): 1.0}


def test_degraded_raid_lacks_a_disk(paths):
    found = values(disk.mdadm(paths), "node_md_disks")
    assert (found[("md1", "active")], found[("md1", "failed")]) == (1.0, 1.0)
    assert values(disk.mdadm(paths), "node_md_disks_required")[("md1",)] == 2.0


def test_chip_is_named_by_its_bus_where_it_has_one(tmp_path):
    device = tmp_path / "devices/platform/coretemp.0"
    chip = device / "hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "device").symlink_to(device)
    assert hardware.chip_label(str(chip)) == "platform_coretemp_0"


def test_clock_has_all_its_series():
    names = {name for name, _, _ in clock.timex(Paths())}
    assert {"node_timex_offset_seconds", "node_timex_maxerror_seconds", "node_timex_sync_status"} <= names


def test_psutil_gives_the_same_names_where_there_is_no_proc():
    host = Host(Settings(collect=frozenset({"cpu", "stat", "meminfo", "loadavg", "diskstats", "filesystem", "netdev", "netclass"})))
    of_proc = {name for name, _, _ in host.readings()}
    host.close()
    of_psutil = {name for name, _, _ in portable.portable(Paths())}
    assert {"node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_filesystem_size_bytes"} <= of_psutil <= of_proc


def test_units_are_read_from_systemctl_show():
    gone = "Id=gone.service\nLoadState=not-found\nActiveState=inactive\n\n"
    text = gone + "Id=ssh.service\nActiveState=active\nType=notify\nNRestarts=2\n\nId=x.mount\nActiveState=active\n"
    readings = list(programs.unit_readings(programs.parse_units(text)))
    assert values(readings, "node_systemd_unit_state")[("ssh.service", "active", "notify")] == 1.0
    assert values(readings, "node_systemd_service_restart_total") == {("ssh.service",): 2.0}
    assert {dict(labels).get("name", "ssh.service") for _, labels, _ in readings} == {"ssh.service"}


def test_gpu_table_is_read_and_missing_fields_are_absent():
    rows = programs.parse_gpus("0, GPU-1, Card, 40, 1024, 8192, 55, [N/A]\n")
    readings = list(programs.gpu_readings(rows))
    assert values(readings, "openmanager_exporter_gpu_utilization_ratio") == {("0",): 0.4}
    assert values(readings, "openmanager_exporter_gpu_memory_used_bytes") == {("0",): 1024.0 * 1024 * 1024}
    assert values(readings, "openmanager_exporter_gpu_power_watts") == {}


def test_program_that_is_not_installed_is_no_failure():
    with pytest.raises(NoDataError, match="not installed"):
        programs.output(["no-such-program-anywhere"])


@pytest.mark.parametrize("text", ['a{b="x} 1\n', '{"a.b"} 1\n', "a 1 1700000000000\n", 'a{__b="x"} 1\n', "a b c d\n"])
def test_bad_text_file_is_left_out_and_said(tmp_path, text):
    (tmp_path / "bad.prom").write_text(text)
    (tmp_path / "good.prom").write_text("good 1\n")
    readings = list(Textfile(str(tmp_path))(Paths()))
    assert values(readings, "node_textfile_scrape_error") == {(): 1.0}
    assert values(readings, "good") == {(): 1.0}


def test_text_files_keep_histograms_whole(tmp_path):
    text = '# HELP t Took.\n# TYPE t histogram\nt_bucket{le="1"} 1.0\nt_bucket{le="+Inf"} 2.0\nt_sum 3.0\nt_count 2.0\n'
    (tmp_path / "a.prom").write_text(text)
    host = Host(Settings(Paths(), frozenset({"textfile"}), str(tmp_path), 5.0))
    page = host.text().decode()
    host.close()
    assert page.startswith(text)


def test_missing_text_folder_is_an_error_but_none_is_not(tmp_path):
    assert values(Textfile(None)(Paths()), "node_textfile_scrape_error") == {(): 0.0}
    assert values(Textfile(str(tmp_path / "gone"))(Paths()), "node_textfile_scrape_error") == {(): 1.0}


def test_limited_gives_values_and_errors_in_order():
    limited = Limited(5.0)
    outcomes = limited.run({"b": lambda: 1, "a": lambda: 1 / 0})
    limited.close()
    assert list(outcomes) == ["b", "a"]
    assert (outcomes["b"].value, type(outcomes["a"].error)) == (1, ZeroDivisionError)


def test_limited_leaves_a_hung_call_behind_and_goes_on():
    release = threading.Event()
    limited = Limited(0.05)
    outcomes = limited.run({"a": lambda: release.wait(30), "b": lambda: 2})
    again = limited.run({"a": lambda: 3, "b": lambda: 4})
    release.set()
    limited.close()
    assert (type(outcomes["a"].error), outcomes["b"].value) == (InFlightError, 2)
    assert (type(again["a"].error), again["b"].value) == (InFlightError, 4)


def test_refreshed_answers_with_the_newest_it_has():
    answers = iter([1, 2])
    slow = Refreshed(lambda: next(answers), every=1000.0)
    assert [slow.get(wait=5.0), slow.get()] == [1, 1]


def test_refreshed_says_when_it_has_nothing():
    release = threading.Event()
    slow = Refreshed(lambda: release.wait(30))
    with pytest.raises(InFlightError):
        slow.get(wait=0.01)
    release.set()
