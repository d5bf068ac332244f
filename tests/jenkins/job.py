"""The job that `make test-jenkins` creates: a pipeline whose Jenkinsfile comes from a git repository."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

# Marks the job, so that a later run changes or deletes no other job.
MARK = "Made by profileapp's make test-jenkins; may be deleted."


@dataclass(frozen=True)
class Source:
    """Location of the Jenkinsfile, the library and the example."""

    url: str
    revision: str  # a branch, a tag or a commit
    script: str = "Jenkinsfile"  # path in the repository
    credentials: str = ""  # id of credentials in Jenkins; "": none


def job_xml(source: Source) -> str:
    """config.xml of the job. Every value is XML text, and never part of a script."""
    flow = ET.Element("flow-definition")
    _add(flow, "description", MARK)
    _add(flow, "keepDependencies", "false")
    definition = _add(flow, "definition")
    definition.set("class", "org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition")
    scm = _add(definition, "scm")
    scm.set("class", "hudson.plugins.git.GitSCM")
    _add(scm, "configVersion", "2")
    remote = _add(_add(scm, "userRemoteConfigs"), "hudson.plugins.git.UserRemoteConfig")
    _add(remote, "url", source.url)
    if source.credentials:
        _add(remote, "credentialsId", source.credentials)
    _add(_add(_add(scm, "branches"), "hudson.plugins.git.BranchSpec"), "name", source.revision)
    _add(definition, "scriptPath", source.script)
    # A commit can't be read without a checkout.
    _add(definition, "lightweight", "false")
    _add(flow, "disabled", "false")
    return ET.tostring(flow, encoding="utf-8", xml_declaration=True).decode()


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text
    return child
