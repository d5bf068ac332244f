"""The job's config.xml."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tests.jenkins.job import Source, job_xml

# Characters that are valid in XML.
_TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"))


def parsed(source: Source) -> ET.Element:
    assert job_xml(source).startswith("<?xml version='1.0' encoding='utf-8'?>"), "whatever the locale"
    return ET.fromstring(job_xml(source).encode())  # noqa: S314 made here


def test_a_pipeline_from_a_repository() -> None:
    flow = parsed(Source("https://git.example.org/p.git", "0123abc"))
    assert flow.tag == "flow-definition"
    definition = flow.find("definition")
    assert definition is not None
    assert definition.get("class") == "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition"
    assert definition.findtext("scriptPath") == "Jenkinsfile"
    assert definition.findtext("lightweight") == "false"
    assert definition.findtext("scm/branches/hudson.plugins.git.BranchSpec/name") == "0123abc"
    assert definition.find("scm/userRemoteConfigs/hudson.plugins.git.UserRemoteConfig/credentialsId") is None


@given(url=_TEXT, revision=_TEXT, script=_TEXT, credentials=_TEXT.filter(bool))
def test_every_value_round_trips(url: str, revision: str, script: str, credentials: str) -> None:
    definition = parsed(Source(url, revision, script, credentials)).find("definition")
    assert definition is not None
    remote = "scm/userRemoteConfigs/hudson.plugins.git.UserRemoteConfig"
    assert definition.findtext(f"{remote}/url") == url
    assert definition.findtext(f"{remote}/credentialsId") == credentials
    assert definition.findtext("scm/branches/hudson.plugins.git.BranchSpec/name") == revision
    assert definition.findtext("scriptPath") == script
