"""Blocks and functions of one's own, measured where they are, beside a synthetic probe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import calibrate
from calibrate import analysis, store
from calibrate.campaign import Pause, session
from calibrate.cli import main
from calibrate.errors import CrosswattError, UnknownName
from calibrate.measurement import Measurement, measure, measured
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.helpers.host import blur_j

PROBES = ["synthetic"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rest no longer than a test needs, and be no workload of another campaign."""
    monkeypatch.setattr(session, "PAUSE", Pause(0.05, 0.05))
    monkeypatch.delenv("CROSSWATT_MARKS", raising=False)


def ten_watts(run: Measurement, seconds: float, probe: str = "synthetic") -> Any:
    """Joules of ten watts, as exact as this probe was read."""
    within_j = 0.1 * seconds + blur_j(run._done.logs[probe], 10)
    return pytest.approx(10 * seconds, abs=within_j)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_block_is_a_run_with_its_joules(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with measure(folder, probes=PROBES) as run:
        time.sleep(0.3)
    assert run.seconds == pytest.approx(run._done.record.seconds) and run.seconds >= 0.3
    assert run.folder == folder / "001-block"
    # Ten watts, exactly.
    assert run.joules == {"synthetic": ten_watts(run, run.seconds)}
    assert run.columns["synthetic"].name == "ten-watts" and run.missing == {}
    assert f"001-block: {run.seconds:.3g}" in repr(run)
    assert f"synthetic {run.joules['synthetic']:.4g} J" in repr(run)


def test_phases_have_joules_too(tmp_path: Path) -> None:
    with measure(tmp_path / "c", probes=PROBES) as run:
        for epoch in range(2):
            with calibrate.mark("train", epoch=epoch) as phase:
                time.sleep(0.2)
                phase.values["loss"] = 1.5 - epoch
        time.sleep(0.05)
    assert [each.name for each in run.phases] == ["train[0]", "train[1]"]
    assert [each.values["loss"] for each in run.phases] == [1.5, 0.5]
    for each in run.phases:
        assert each.joules == {"synthetic": ten_watts(run, each.seconds)}
    assert calibrate.load_campaign(tmp_path / "c").runs[0].record.phases[1].name == "train[1]"


def test_a_table_of_a_block(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.warns(UserWarning, match="wall takes no part"):
        run = measure(tmp_path / "c", probes=["synthetic", "wall"]).begin()
    with calibrate.mark("a"):
        time.sleep(0.2)
    run.end()
    frame = run.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == [
        "run", "phase", "probe", "column", "scope", "seconds", "joules", "watts"
    ]  # fmt: skip
    assert [tuple(row) for row in frame[["phase", "probe"]].values] == [
        ("", "wall"), ("", "synthetic"), ("a", "wall"), ("a", "synthetic")
    ]  # fmt: skip
    assert frame["joules"].isna().tolist() == [True, False, True, False]
    assert frame["joules"][1] == ten_watts(run, frame["seconds"][1])


def test_a_probe_that_was_asked_for_and_is_missing_is_warned_of(tmp_path: Path) -> None:
    run = measure(tmp_path / "c", probes=["synthetic", "wall"])
    with (
        pytest.warns(UserWarning, match=r"wall takes no part: .*\. Fix: add --set wall\.kind"),
        run,
    ):
        pass
    assert run.joules["wall"] is None and "named" in run.missing["wall"]
    assert run.phases == ()
    # Nobody tries it again in this campaign, and the reason stays known.
    with pytest.warns(UserWarning, match="wall takes no part"), run:
        pass
    assert run.joules["wall"] is None and run.joules["synthetic"]
    assert [*run._done.record.probes] == ["synthetic"]


def test_every_block_is_one_more_run_and_can_be_analysed(tmp_path: Path) -> None:
    for name in ("train", "train", "test"):
        with measure(tmp_path / "c", probes=PROBES, name=name) as run:
            time.sleep(0.05)
    with measure(tmp_path / "c", name="test") as run:  # the same probes, without saying so
        time.sleep(0.05)
    assert run.folder.name == "004-test"
    campaign = store.load_campaign(tmp_path / "c")
    assert [(r.record.workload, r.record.repeat) for r in campaign.runs] == [
        ("train", 1), ("train", 2), ("test", 1), ("test", 2)
    ]  # fmt: skip
    assert [each["name"] for each in campaign.record.plan["workload"]] == ["train", "test"]
    assert analysis.analyze(tmp_path / "c", reference="synthetic").comparison.runs == 4


def test_what_fails_is_kept_as_failed_and_raised(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), measure(tmp_path / "c", probes=PROBES) as run:
        1 / 0  # noqa: B018
    assert run.joules["synthetic"] and "which failed" in repr(run)
    [done] = store.load_campaign(tmp_path / "c").runs
    assert done.record.exit_code == 1
    assert "ZeroDivisionError" in (done.folder / "output.log").read_text()
    for code, status in ((None, 0), (0, 0), (3, 3), ("no", 1)):
        with pytest.raises(SystemExit), measure(tmp_path / "c"):
            sys.exit(code)
        assert store.load_campaign(tmp_path / "c").runs[-1].record.exit_code == status


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), measure(tmp_path / "new", probes=PROBES) as run:
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    with pytest.raises(CrosswattError, match="no figures yet"):
        _ = run.joules
    (tmp_path / "c").mkdir()
    with measure(tmp_path / "c", probes=PROBES):
        pass
    before = {path: path.read_bytes() for path in (tmp_path / "c").rglob("*") if path.is_file()}
    with pytest.raises(KeyboardInterrupt), measure(tmp_path / "c"):
        raise KeyboardInterrupt
    after = {path: path.read_bytes() for path in (tmp_path / "c").rglob("*") if path.is_file()}
    assert after == before
    with measure(tmp_path / "c") as run:
        pass
    assert run.folder.name == "002-block"


KILLED = """
import os, signal, sys, calibrate
with calibrate.measure(sys.argv[1], probes=["synthetic"]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_does_not_spoil_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        line = [sys.executable, "-c", KILLED, str(tmp_path / "c")]
        assert subprocess.run(line, check=False).returncode == -signal.SIGKILL
        assert store.load_campaign(tmp_path / "c").runs == ()
    assert main(["run", "--resume", str(tmp_path / "c")]) == 64
    assert "go on by calibrate.measure" in " ".join(capsys.readouterr().err.split())
    with measure(tmp_path / "c") as run:
        pass
    assert names(tmp_path / "c") == ["001-block", "campaign.json", "probes.json"]
    assert run.joules["synthetic"]


def test_one_measurement_at_a_time(tmp_path: Path) -> None:
    told: list[str] = []

    def elsewhere() -> None:
        with pytest.raises(CrosswattError) as refusal, measure(tmp_path / "d", probes=PROBES):
            pass
        told.append(str(refusal.value))

    with measure(tmp_path / "c", probes=PROBES, name="outer"):
        with pytest.raises(CrosswattError, match="outer is being measured already"):
            measure(tmp_path / "c").begin()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert "outer is being measured in another thread already" in told[0]
    assert names(tmp_path) == ["c"] and len(store.load_campaign(tmp_path / "c").runs) == 1


FORKED = """
import os, sys, calibrate
from calibrate.errors import CrosswattError

def tried(work):
    try:
        work()
    except CrosswattError as refusal:
        print(refusal, flush=True)

folder = sys.argv[1]
run = calibrate.measure(folder, probes=["synthetic"])
with run:
    for work in (lambda: calibrate.measure(folder).begin(), run.end):
        if not (pid := os.fork()):
            tried(work)
            os._exit(0)
        os.waitpid(pid, 0)
    if not (pid := os.fork()):
        sys.exit(7)  # it leaves the block, and has nothing to end
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
if not (pid := os.fork()):
    with calibrate.measure(folder) as again:  # nobody measures now
        pass
    print(again.folder.name, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(run.joules["synthetic"] > 0)
"""


def test_forked_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path / "c")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    begun, ended, *rest = done.stdout.splitlines()
    assert "This process was forked from one" in begun
    assert "was begun by another process, of which this is a forked copy" in ended
    assert rest == ["7", "002-block", "True"]


def test_two_processes_do_not_measure_into_one_folder(tmp_path: Path) -> None:
    code = f"import calibrate\nwith calibrate.measure({str(tmp_path / 'c')!r}): pass"
    with measure(tmp_path / "c", probes=PROBES):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: PLW1510
    assert "Another process measures into" in done.stderr
    assert len(store.load_campaign(tmp_path / "c").runs) == 1


def test_refusals_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    (tmp_path / "file").write_text("")
    build(tmp_path / "other", {"truth": truth(), "m": Fake(lambda w, s: w * s, domain())})
    before = sorted(tmp_path.rglob("*"))
    for folder, words in (
        ("full", "is not empty, and no campaign"),
        ("file", "is a file"),
        ("other", "is a campaign of 'crosswatt run'"),
    ):
        with pytest.raises(CrosswattError, match=words):
            measure(tmp_path / folder, probes=PROBES).begin()
    with pytest.raises(UnknownName, match="did you mean synthetic"):
        measure(tmp_path / "c", probes=["sinthetic"])
    with pytest.raises(CrosswattError, match="letters, digits and dashes"):
        measure(tmp_path / "c", name="a/b")
    with pytest.raises(CrosswattError, match=r"No probe works here .*bench exec -- python"):
        measure(tmp_path / "c", probes=["truth"]).begin()
    with pytest.raises(CrosswattError, match="was not begun"):
        measure(tmp_path / "c", probes=PROBES).end()
    monkeypatch.setenv("CROSSWATT_MARKS", "1")
    with pytest.raises(CrosswattError, match="the workload of 'crosswatt run' already"):
        measure(tmp_path / "c", probes=PROBES).begin()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_keeps_its_probes_and_their_settings(tmp_path: Path) -> None:
    with measure(tmp_path / "c", probes=PROBES, settings={"synthetic": {"rate_hz": 50}}) as run:
        pass
    assert run._done.logs["synthetic"].period_s == 0.02
    with pytest.raises(CrosswattError, match="was begun with synthetic; leave the probes out"):
        measure(tmp_path / "c", probes=["rapl"]).begin()
    with pytest.raises(CrosswattError, match="was begun with other settings of synthetic"):
        measure(tmp_path / "c", probes=PROBES).begin()
    with measure(tmp_path / "c") as run:
        pass
    assert run._done.logs["synthetic"].period_s == 0.02


def test_probes_of_ones_own(tmp_path: Path) -> None:
    here = Path(__file__).parents[1] / "adapters"
    with measure(tmp_path / "c", probes=["mine=steady"], adapters=[here]) as run:
        time.sleep(0.2)
    assert run.joules == {"mine": ten_watts(run, run.seconds, "mine")}


def test_a_probe_that_fails_has_no_joules(tmp_path: Path) -> None:
    here = Path(__file__).parents[1] / "adapters"
    with measure(
        tmp_path / "c", probes=["synthetic", "naughty"], adapters=[here],
        settings={"naughty": {"kind": "raise", "after": 0.3}},
    ) as run:  # fmt: skip
        time.sleep(0.5)
    assert run.joules["naughty"] is None and run.joules["synthetic"]
    assert "counter vanished" in run.missing["naughty"]


def test_a_function_is_measured_at_every_call(tmp_path: Path) -> None:
    @measured(tmp_path / "c", probes=PROBES)
    def train(times: int) -> list[int]:
        """Work."""
        return [times]

    assert (vars(train)["__name__"], train.__doc__, train.run) == ("train", "Work.", None)
    assert train(2) == [2] and train(times=3) == [3]
    assert train.run is not None and train.run.folder.name == "002-train"
    runs = store.load_campaign(tmp_path / "c").runs
    assert [run.record.workload for run in runs] == ["train", "train"]


def test_a_method_and_a_name(tmp_path: Path) -> None:
    class Model:
        x = 3

        @measured(tmp_path / "c", probes=PROBES, name="fit")
        def _fit(self) -> int:
            return self.x

    assert Model()._fit() == 3
    assert names(tmp_path / "c")[0] == "001-fit"


def test_without_a_folder_all_blocks_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calibrate.campaign.sources", lambda *_, **__: [_synthetic()])

    @measured
    def one() -> None: ...

    @measured()
    def two() -> None: ...

    one()
    two()
    [folder] = tmp_path.iterdir()
    assert folder.name.startswith("crosswatt-python-")
    assert [run.record.workload for run in store.load_campaign(folder).runs] == ["one", "two"]


def _synthetic() -> object:
    from calibrate import catalog
    from calibrate.campaign import Source

    return Source("synthetic", catalog.find("adapters", "synthetic"))


def test_what_works_later_cannot_be_measured_by_its_call() -> None:
    async def late() -> None: ...

    def steps() -> object:
        yield 1

    for function in (late, steps):
        with pytest.raises(TypeError, match="does no work yet"):
            measured("c")(function)


def test_begin_and_end(tmp_path: Path) -> None:
    run = measure(tmp_path / "c", probes=PROBES)
    assert "not ended" in repr(run)
    run.begin()
    run.end()
    assert run.joules["synthetic"]
    with run:  # once more is another run
        pass
    assert run.folder.name == "002-block"
    assert os.environ.get("CROSSWATT_MARKS") is None
