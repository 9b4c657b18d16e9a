"""The command line: exit codes, sentences, and nothing changed on refusal."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate._version import __version__
from calibrate.cli import main
from tests.helpers.campaigns import Fake, build, domain, truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good = Fake(lambda w, s: w * s, domain())
    return build(tmp_path / "campaign", {"truth": truth(), "good": good})


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--probe", "cdecarbon"], "did you mean codecarbon"),
        (["run", "--workload", "gem"], "did you mean gemm"),
        (["run", "--no-bench", "--probe", "rapl"], "rapl alone has nothing to be compared with"),
        (["run", "--bench", "desktop", "--probe", "truth"], "truth alone has nothing"),
        (["run", "--bench", "desktp"], "did you mean desktop"),
        (["run", "--plan", "quik"], "did you mean quick"),
        (["run", "--quick", "--plan", "default"], "The plan default has no quick form"),
        (["run", "--quick", "--", "true"], "Choose one of --quick, -- CMD"),
        (["run", "--bench", "desktop", "--no-bench"], "Choose one of --bench and --no-bench"),
        (["run", "--resume", "nowhere"], "no such file"),
        (["report", "nowhere", "--format", "htm"], "did you mean html"),
        (["report", "nowhere"], "no such folder"),
        (["analyze", "nowhere"], "no such folder"),
        (["gate", "nowhere", "--policy", "nothing.toml"], "cannot be read"),
        (["gate"], "Write it as: crosswatt gate"),
        (["gate", "--init", "nowhere"], "Write it as: crosswatt gate --init"),
        (
            ["gate", "nowhere", "--police", "x"],
            "Try 'crosswatt gate --help'",
        ),
        (["run", "--repeats", "x"], "Invalid value for '--repeats' / '-n'"),
        (["run", "--repeats", "0"], "Invalid value for '--repeats' / '-n'"),
        (["import"], "Missing argument 'FORMAT'. Try 'crosswatt import --help'."),
        (["conformance"], "Which meter?"),
        (["conformance", "rapl", "--out", "meters.pdf"], "write .json, .html, or .xml"),
        (
            ["conformance", "--energy-from", "x", "--set", "a.b=c", "--", "true"],
            "--set is for probes",
        ),
        (["report", "nowhere", "--format", "json", "--out", "-"], "no such folder"),
        (["bench", "exce"], "Did you mean 'exec'"),
        (["bench", "exec", "--model", "desktp", "--", "true"], "did you mean desktop"),
        (["probes", "add", "codecarbon"], "not an exact release"),
        (["probes", "add", "codecarbn==1.2.0"], "did you mean codecarbon"),
        (["probes", "remove", "nobody-1.0"], "There is no environment"),
        (["run", "--bench", "desktop", "--until", "90%"], "write 1% or 0.01"),
        (["plan", "nowhere"], "There is no plan named 'nowhere'"),
        (["plan", "soak", "--quick"], "The plan soak has no quick form"),
        (["run", "--workload", "gemm", "--", "true"], "a command is a whole plan"),
        (["run", "--repeats", "2", "--until", "1%"], "Choose one of --repeats and --until"),
        (["plan", "nowhere", "--until", "much"], "no uncertainty from 0.01%"),
        (["observe", "nowhere"], "no such folder"),
        (["characterize", "raple", "--bench", "desktop"], "did you mean rapl"),
        (["characterize", "rapl", "--folder", "nowhere"], "no such folder"),
        (["observe", "--bench", "desktp"], "did you mean desktop"),
        (["diff", "nowhere", "neither"], "no such folder"),
        (["drift", "nowhere"], "holds 0 campaign folder"),
        (["nonsense"], "No such command"),
        (["repotr"], "Did you mean 'report'"),
    ],
)
def test_a_refusal_is_a_sentence_and_64(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSWATT_HOME", str(tmp_path / "home"))
    assert main(arguments) == 64
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(folder)
    assert main(["run", "--no-bench", "--out", str(folder)]) == 64
    assert "is not empty" in capsys.readouterr().err
    assert listing(folder) == before


def test_analyze_writes_the_derived_documents_and_nothing_else(folder: Path) -> None:
    before = listing(folder)
    assert main(["analyze", str(folder)]) == 0
    after = listing(folder)
    assert set(after) - set(before) == {
        "comparison.json", "diagnosis.json", "calibration.json", "phases.json"
    }  # fmt: skip
    assert all(after[name] == before[name] for name in before)


@pytest.mark.parametrize("late", ["truth", "good"])
def test_a_probe_without_any_comparison_is_named_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str], late: str
) -> None:
    for log in folder.glob(f"*/{late}.jsonl"):
        documents = [json.loads(line) for line in log.read_text().splitlines()]
        middle = next(d["before_ns"] for d in documents if d["doc"] == "begin") + 10**9
        kept = [d for d in documents if d["doc"] != "reading" or d["before_ns"] > middle]
        log.write_text("".join(json.dumps(d) + "\n" for d in kept))
    assert main(["analyze", str(folder)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    why = f"package-0: in no run has {late} readings over the whole window"
    assert f"good is not in this table: {why}." in said


def test_a_probe_that_never_opened_in_one_run_is_no_reason_to_fail(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, log in enumerate(sorted(folder.glob("*/good.jsonl"))):
        documents = [json.loads(line) for line in log.read_text().splitlines()]
        stop = {**documents[-1], "status": "failed", "reason": "no luck"}
        kept = [stop] if number == 0 else [d for d in documents if d["doc"] != "reading"]
        log.write_text("".join(json.dumps(d) + "\n" for d in kept))
    assert main(["analyze", str(folder)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "good is not in this table: package-0: in no run has good readings" in said


def test_a_damaged_run_is_left_out_and_the_others_are_analysed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "002-gemm" / "good.jsonl"
    path.write_text(path.read_text().replace('{"doc": "reading"', '{"doc" "reading"', 1))
    (folder / "001-idle" / "run.json").write_text("")
    assert main(["analyze", str(folder)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert re.search(r"left out.*: run 001-idle.*run\.json", told, re.IGNORECASE)
    assert re.search(r"left out.*: run 002-gemm.*good\.jsonl, line 3", told, re.IGNORECASE)
    assert main(["report", str(folder), "--format", "markdown", "--out", "-"]) == 0
    report = capsys.readouterr().out
    assert "run 002-gemm" in report
    assert "left out, since it is damaged" in report


def test_where_every_run_is_damaged_the_first_reason_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.glob("*/run.json"):
        path.write_text("")
    before = listing(folder)
    assert main(["analyze", str(folder)]) == 64
    assert re.search(
        r"no run can be read.*001-\w+/run\.json", " ".join(capsys.readouterr().err.split())
    )
    assert listing(folder) == before


def test_report_as_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--format", "json", "--out", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["comparison"]["simulated"] is True
    assert document["comparison"]["reference"] == "truth"


def test_a_file_that_cannot_be_written_is_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "nowhere" / "report.json"
    assert main(["report", str(folder), "--format", "json", "--out", str(target)]) == 64
    assert "No such file or directory." in capsys.readouterr().err


@pytest.fixture
def rules(folder: Path, tmp_path: Path) -> Path:
    """A policy that the campaign passes."""
    path = tmp_path / "gate.toml"
    assert main(["gate", "--init", str(folder), "--out", str(path), "--need", "3%"]) == 0
    return path


@pytest.mark.parametrize(
    ("old", "new", "code", "word"),
    [
        ("", "", 0, "pass"),
        ("package-0", "package-1", 1, "fail"),
        ("min_runs = 4", "min_runs = 40", 2, "inconclusive"),
    ],
)
def test_gate_exit_codes(
    folder: Path, rules: Path, old: str, new: str, code: int, word: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert "need = 0.03" in rules.read_text()
    rules.write_text(rules.read_text().replace(old, new))
    capsys.readouterr()
    assert main(["gate", str(folder), "--policy", str(rules)]) == code
    assert capsys.readouterr().out.splitlines()[-1] == word


def test_a_policy_of_another_machine_is_refused(
    folder: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text(rules.read_text().replace("made by hand", "EPYC"))
    assert main(["gate", str(folder), "--policy", str(rules)]) == 64
    assert "The policy is for 'simulated machine: EPYC', the campaign is" in said(capsys)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_faulty_campaign_makes_a_policy_only_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gain = Fake(lambda w, s: 0.8 * w * s, domain())
    faulty = build(tmp_path / "faulty", {"truth": truth(), "gain": gain})
    policy = tmp_path / "policy.toml"
    init = ["gate", "--init", str(faulty), "--out", str(policy)]
    assert main(init) == 64
    assert "fail: gain package-0: " in said(capsys)
    assert main([*init, "--accept", " "]) == 64
    assert not policy.exists()
    assert main([*init, "--accept", "the plug reads low"]) == 0
    assert main(["gate", str(faulty), "--policy", str(policy)]) == 0
    assert "accepted: the plug reads low" in capsys.readouterr().out


def test_options_of_a_new_policy_are_refused_where_one_is_applied(
    folder: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", str(folder), "--policy", str(rules), "--need", "50%"]) == 64
    assert "are for a new policy" in said(capsys)


def test_gate_names_the_probes_that_it_does_not_judge(
    folder: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Fake(lambda w, s: w * s, domain())
    both = build(tmp_path / "both", {"truth": truth(), "good": good, "other": good})
    assert main(["gate", str(both), "--policy", str(rules)]) == 0
    assert "not judged: other is not in the policy" in capsys.readouterr().out


def test_gate_init_does_not_overwrite(folder: Path, tmp_path: Path) -> None:
    rules = tmp_path / "gate.toml"
    rules.write_text("mine")
    assert main(["gate", "--init", str(folder), "--out", str(rules)]) == 64
    assert rules.read_text() == "mine"


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr().out == f"crosswatt {__version__}\n"


@pytest.mark.parametrize("group", [[], ["bench"]])
def test_a_group_alone_prints_its_help_and_is_refused(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(group) == 64
    alone = capsys.readouterr().out
    assert main([*group, "--help"]) == 0
    assert capsys.readouterr().out.strip() == alone.strip()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_nothing_can_take_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "calibrate", "probes"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 64
    assert done.stderr.strip().endswith("No space left on device.")
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr


def test_a_full_disk_is_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("calibrate.cli.app.app", full)
    assert main(["report"]) == 64
    assert capsys.readouterr().err == "What was to be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("x.so: failed to map segment from shared object", 69),
        ("x.so: cannot allocate memory in static TLS block", 69),
        ("x.so: undefined symbol: y", 70),
    ],
)
def test_a_library_that_finds_no_memory_is_no_fault_of_ours(
    folder: Path,
    words: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise ImportError(words)

    monkeypatch.setattr("calibrate.analysis.Analysis.report", fails)
    assert main(["report", str(folder), "--format", "html"]) == code
    assert ("not enough memory" in capsys.readouterr().err) == (code == 69)


def test_computing_is_refused_where_address_space_is_limited_to_too_little(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NumPy would end the process, with the exit code of a gate that failed."""
    monkeypatch.setattr("resource.getrlimit", lambda which: (300 << 20, 300 << 20))
    assert main(["analyze", str(folder)]) == 69
    said = " ".join(capsys.readouterr().err.split())
    assert "limited to 300 MiB" in said and "ulimit -v" in said
    assert main(["--help"]) == main(["probes"]) == 0


def test_what_is_no_text_is_refused_and_what_an_encoding_lacks_is_printed(folder: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "calibrate", "run", "--no-bench", "--", "echo", b"\xff"],
        capture_output=True, cwd=folder.parent, check=False,
    )  # fmt: skip
    assert told.returncode == 64 and b"'\\udcff' is not text in UTF-8" in told.stderr
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    told = subprocess.run(
        [sys.executable, "-m", "calibrate", "analyze", str(folder)],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False,
    )  # fmt: skip
    assert told.returncode == 0 and rb"\xb1 0.001 %" in told.stdout
