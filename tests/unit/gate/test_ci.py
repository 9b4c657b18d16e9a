"""The files for continuous integration: their steps are run, and their form is checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from calibrate.cli import main

ROOT = Path(__file__).parents[3]
ACTION = ROOT / "action.yml"
GITLAB = ROOT / ".gitlab" / "crosswatt.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
FIRST = ROOT / "reports" / "examples" / "first"
BIN = Path(sys.executable).parent


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def example(name: str) -> str:
    """Return an example of the documentation."""
    text = (ROOT / "docs" / "gate.md").read_text()
    found = re.search(rf"<!-- {name} -->\n```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign in which one meter reports a thousandth, and its policies."""
    made = Path(shutil.copytree(FIRST, tmp_path / "campaign"))
    init = ["gate", "--init", str(made), "--need", "10%"]
    strict, accepting = tmp_path / "strict.toml", tmp_path / "accepting.toml"
    assert main([*init, "--out", str(accepting), "--accept", "the release of the study"]) == 0
    text = accepting.read_text()
    kept = re.sub(r"(?ms)^\[probe\.accepted\].*?(?=^\[\[probe\]\]|\Z)", "", text)
    strict.write_text(re.sub(r"(?m)^ratio = .*$", "ratio = 1.0", kept))
    return made


class Action:
    """Runs the steps of `action.yml` as a runner does, as far as they use it."""

    def __init__(self, place: Path, inputs: Mapping[str, str]) -> None:
        self._place = place
        given = {
            name: str(each.get("default", "")) for name, each in read(ACTION)["inputs"].items()
        }
        self._values = {f"inputs.{name}": value for name, value in {**given, **inputs}.items()}
        self.said = ""

    def run(self, install: bool = False) -> int:
        """Return the exit code of the first step that fails, else 0."""
        (self._place / "temp").mkdir(exist_ok=True)
        for step in read(ACTION)["runs"]["steps"]:
            if step.get("id") == "install" and not install:
                self._values["steps.install.outputs.bin"] = str(BIN)
            elif self._wanted(step.get("if", "")) and (code := self._step(step)):
                return code
        return 0

    def _wanted(self, condition: str) -> bool:
        if not condition:
            return True
        found = re.fullmatch(r"(\S+) == '(.*)'", condition)
        assert found is not None
        return self._values[found[1]] == found[2]

    def _step(self, step: Mapping[str, Any]) -> int:
        assert "${{" not in step["run"], "an input in a script is a program; pass it by env"
        files = {name: self._place / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        environment = os.environ | {name: str(path) for name, path in files.items()}
        environment |= {"RUNNER_TEMP": str(self._place / "temp"), "GITHUB_ACTION_PATH": str(ROOT)}
        environment |= {name: self._filled(str(v)) for name, v in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env=environment, capture_output=True, text=True, check=False, cwd=self._place,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            self._values[f"steps.{step.get('id')}.outputs.{name}"] = value
        return done.returncode

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: self._values[found[1]], text)

    @property
    def outputs(self) -> dict[str, str]:
        return {name: self._filled(o["value"]) for name, o in read(ACTION)["outputs"].items()}


def test_the_action_judges_a_campaign_that_is_there(folder: Path, tmp_path: Path) -> None:
    action = Action(tmp_path, {"folder": str(folder), "policy": str(tmp_path / "accepting.toml")})
    assert action.run() == 0, action.said
    assert action.outputs["state"] == "pass" and action.outputs["folder"] == str(folder)
    assert ElementTree.parse(action.outputs["junit"]).getroot() is not None  # noqa: S314 - ours
    assert Path(action.outputs["sarif"]).is_file()
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text().count("Gate: pass") == 1


def test_the_action_fails_where_the_gate_does(folder: Path, tmp_path: Path) -> None:
    action = Action(tmp_path, {"folder": str(folder), "policy": str(tmp_path / "strict.toml")})
    assert action.run() == 1, action.said
    assert action.outputs["state"] == "fail"
    assert "::error" in action.said and "codecarbon-1.2.0" in action.said


def test_what_cannot_be_judged_is_no_judgement(tmp_path: Path) -> None:
    action = Action(tmp_path, {"folder": str(tmp_path / "none"), "policy": "none.toml"})
    assert action.run() not in {0, 1, 2}
    assert "steps.judge.outputs.state" not in action._values


def test_an_input_is_never_a_program(folder: Path, tmp_path: Path) -> None:
    hostile = "$(touch hacked); touch hacked #"
    action = Action(tmp_path, {"folder": str(folder), "policy": hostile, "report": hostile})
    assert action.run() not in {0, 1, 2}
    assert not (tmp_path / "hacked").exists()


@pytest.mark.slow
def test_the_action_installs_from_its_own_commit(folder: Path, tmp_path: Path) -> None:
    action = Action(tmp_path, {"folder": str(folder), "policy": str(tmp_path / "accepting.toml")})
    assert action.run(install=True) == 0, action.said
    assert action._values["steps.install.outputs.bin"] == f"{tmp_path}/temp/crosswatt/bin"


def test_the_gitlab_job_judges(folder: Path, tmp_path: Path) -> None:
    job = read(GITLAB)[".crosswatt-gate"]
    own = yaml.safe_load(example("gitlab"))["energy"]
    assert own["extends"] == ".crosswatt-gate" and set(own["variables"]) <= set(job["variables"])
    variables = {
        **job["variables"],
        "CROSSWATT_FOLDER": str(folder),
        "CROSSWATT_POLICY": str(tmp_path / "accepting.toml"),
    }
    script = "\n".join(job["script"])
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | variables | {"PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()
    assert (tmp_path / "gate.md").is_file()


def test_the_pre_commit_hook_judges(folder: Path, tmp_path: Path) -> None:
    [hook] = read(HOOKS)
    [repo] = yaml.safe_load(example("pre-commit"))["repos"]
    assert [each["id"] for each in repo["hooks"]] == [hook["id"]]
    words = [*hook["entry"].split(), *repo["hooks"][0]["args"]]
    places = {
        "energy/campaign": str(folder),
        "energy/gate.toml": str(tmp_path / "accepting.toml"),
    }
    assert words[0] == "crosswatt" and main([places.get(each, each) for each in words[1:]]) == 0


def test_the_example_names_inputs_and_outputs_that_there_are() -> None:
    steps = yaml.safe_load(example("workflow"))["jobs"]["gate"]["steps"]
    [ours] = [step for step in steps if "crosswatt" in step["uses"]]
    action = read(ACTION)
    assert set(ours["with"]) <= set(action["inputs"])
    named = set(re.findall(r"steps\.gate\.outputs\.(\w+)", example("workflow")))
    assert named and named <= set(action["outputs"])


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("vendor.github-actions", "action"),
        ("vendor.github-workflows", "workflow"),
        ("vendor.gitlab-ci", "template"),
        ("vendor.gitlab-ci", "gitlab"),
    ],
)
def test_files_are_valid(schema: str, name: str, tmp_path: Path) -> None:
    files = {"action": ACTION, "template": GITLAB}
    path = files.get(name, tmp_path / f"{name}.yml")
    if name not in files:
        path.write_text(example(name))
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
