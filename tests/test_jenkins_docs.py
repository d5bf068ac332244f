"""docs/jenkins.md: the Configuration as Code matches the plugins' documentation, and each table row has a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/jenkins.md").read_text(encoding="utf-8")

# Source: the documentation of Configuration as Code and the demos of its repository, for each plugin that the page
# needs (jenkinsci/configuration-as-code-plugin, demos/ and docs/features/).
DOCUMENTED: dict[str, set[str]] = {
    "": {"jenkins", "credentials", "unclassified", "security", "tool", "jobs"},
    "jenkins": {"markupFormatter", "nodes", "numExecutors", "mode", "systemMessage", "labelString", "securityRealm"},
    "jenkins.markupFormatter": {"rawHtml"},
    "jenkins.markupFormatter.rawHtml": {"disableSyntaxHighlighting"},
    "jenkins.nodes[]": {"permanent"},
    "jenkins.nodes[].permanent": {
        "name", "labelString", "remoteFS", "numExecutors", "launcher", "nodeProperties", "mode", "retentionStrategy",
        "nodeDescription",
    },
    "jenkins.nodes[].permanent.launcher": {"ssh", "inbound"},
    "jenkins.nodes[].permanent.launcher.ssh": {
        "host", "port", "credentialsId", "launchTimeoutSeconds", "maxNumRetries", "retryWaitTime", "javaPath",
        "sshHostKeyVerificationStrategy",
    },
    "jenkins.nodes[].permanent.nodeProperties[]": {"envVars"},
    "jenkins.nodes[].permanent.nodeProperties[].envVars": {"env"},
    "jenkins.nodes[].permanent.nodeProperties[].envVars.env[]": {"key", "value"},
    "credentials": {"system"},
    "credentials.system": {"domainCredentials"},
    "credentials.system.domainCredentials[]": {"credentials", "domain"},
    "credentials.system.domainCredentials[].credentials[]": {"basicSSHUserPrivateKey", "string", "usernamePassword"},
    "credentials.system.domainCredentials[].credentials[].basicSSHUserPrivateKey": {
        "scope", "id", "username", "passphrase", "description", "privateKeySource",
    },
    "credentials.system.domainCredentials[].credentials[].basicSSHUserPrivateKey.privateKeySource": {"directEntry"},
    "credentials.system.domainCredentials[].credentials[].basicSSHUserPrivateKey.privateKeySource.directEntry": {
        "privateKey",
    },
    "credentials.system.domainCredentials[].credentials[].string": {"scope", "id", "secret", "description"},
    "credentials.system.domainCredentials[].credentials[].usernamePassword": {
        "scope", "id", "username", "password", "description", "usernameSecret",
    },
    "unclassified": {"location", "globalLibraries"},
    "unclassified.location": {"url", "adminAddress"},
    "unclassified.globalLibraries": {"libraries"},
    "unclassified.globalLibraries.libraries[]": {
        "name", "defaultVersion", "implicit", "allowVersionOverride", "includeInChangesets", "retriever",
    },
    "unclassified.globalLibraries.libraries[].retriever": {"modernSCM", "legacySCM"},
    "unclassified.globalLibraries.libraries[].retriever.modernSCM": {"scm", "libraryPath"},
    "unclassified.globalLibraries.libraries[].retriever.modernSCM.scm": {"git"},
    "unclassified.globalLibraries.libraries[].retriever.modernSCM.scm.git": {
        "remote", "credentialsId", "id", "traits",
    },
}  # fmt: skip


def check(value: Any, place: str) -> None:
    if isinstance(value, dict):
        assert place in DOCUMENTED, place
        assert set(value) <= DOCUMENTED[place], f"{place}: {set(value) - DOCUMENTED[place]}"
        for key, each in value.items():
            check(each, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            check(each, f"{place}[]")


@pytest.fixture(scope="module")
def configuration() -> Any:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    return yaml.safe_load(block)


def test_every_key_of_the_configuration_as_code_is_documented(configuration: Any) -> None:
    check(configuration, "")


def test_names_in_jobs_are_in_the_configuration_as_code(configuration: Any) -> None:
    [domain] = configuration["credentials"]["system"]["domainCredentials"]
    ids = {next(iter(each.values()))["id"] for each in domain["credentials"]}
    labels = " ".join(node["permanent"]["labelString"] for node in configuration["jenkins"]["nodes"]).split()
    jobs = (ROOT / "docs/jenkins-cookbook.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\w*[cC]redentialsId: '([^']+)'", jobs)) <= ids
    assert set(re.findall(r"node\('([^']+)'\)", jobs)) <= set(labels)
    assert "${" in str(domain), "no secret stands in the text"


def test_every_row_of_the_error_table_has_a_test() -> None:
    section = PAGE.split("## When something goes wrong")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    sources = "".join(path.read_text() for path in (ROOT / "tests/pipeline/src/test/java").rglob("*.java"))
    assert len(rows) >= 8
    for row in rows:
        [name] = re.findall(r"`(\w+)` \|$", row)
        assert f"void {name}(" in sources, row


def test_every_key_has_a_row_and_a_help_text() -> None:
    source = (ROOT / "src/org/profileapp/Keys.groovy").read_text(encoding="utf-8")
    keys = re.findall(r"^            (\w+) *: (?:'|\[|false)", source, flags=re.MULTILINE)
    assert len(keys) > 20
    text = (ROOT / "vars/profileApp.txt").read_text(encoding="utf-8")
    for key in keys:
        assert f"\n| `{key}` | `" in PAGE, key
        assert f"<dt><code>{key}</code></dt>" in text, key


DECLARATIVE = re.findall(r"```groovy\n((?:(?!```).)*?^pipeline \{.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
# Source: Jenkins documentation, "Pipeline Syntax", Declarative Pipeline: allowed and required content of each block.
MAY_HOLD = {
    "": {"@Library('profileapp') _", "pipeline"},
    "pipeline": {
        "agent", "stages", "environment", "options", "parameters", "post", "tools", "triggers", "libraries",
    },
    "stages": {"stage"},
    "stage": {"agent", "steps", "stages", "environment", "options", "post", "when"},
}  # fmt: skip
MUST_HOLD = {"": {"pipeline"}, "pipeline": {"agent", "stages"}, "stages": {"stage"}, "stage": {"steps"}}


def check_declarative(text: str) -> list[str]:
    """Checks each block of a declarative pipeline; returns the steps."""
    steps: list[str] = []
    holders: list[tuple[str, set[str]]] = [("", set())]
    for line in filter(None, map(str.strip, text.splitlines())):
        kind, found = holders[-1]
        if line == "}":
            assert MUST_HOLD.get(kind, set()) <= found, (kind, found)
            holders.pop()
        elif kind == "steps":
            steps.append(line)
        else:
            name = line if line.startswith("@") else re.split(r"[ ({]", line)[0]
            assert kind not in MAY_HOLD or name in MAY_HOLD[kind], (kind, line)
            found.add(name)
            if line.endswith("{"):
                assert name != "stage" or re.fullmatch(r"stage\('[^']+'\) \{", line), line
                holders.append((name, set()))
    assert holders == [("", {"@Library('profileapp') _", "pipeline"})], holders
    return steps


@pytest.mark.parametrize("text", DECLARATIVE)
def test_a_declarative_pipeline_is_valid(text: str) -> None:
    assert any(step.startswith("profileApp(") for step in check_declarative(text))


def test_there_is_a_declarative_pipeline_and_an_invalid_one_is_refused() -> None:
    assert DECLARATIVE
    with pytest.raises(AssertionError):
        check_declarative(DECLARATIVE[0].replace("steps {", "script {"))
    with pytest.raises(AssertionError):
        check_declarative(DECLARATIVE[0].replace("agent { label 'docker' }", ""))
