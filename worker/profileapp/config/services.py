"""Keys of the services in a `profiling:` section, and of datasets, which they and targets have."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from profileapp.config.values import Args, Duration, Env, Secrets, key
from profileapp.model.target import ARCHIVE_SUFFIXES, Ready, Stream

PLAYBACK_NAME = "playback"
BROKER_IMAGE = "rabbitmq:3"


class DatasetSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A dataset that the agent gets or unpacks."""

    path: (
        Annotated[
            str,
            key("A folder, file or archive next to the sage.yaml.", max_length=500, examples=["traffic.zip"]),
        ]
        | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            key(
                "URL of a file or archive: http, https, or s3 and gs (with the worker's `s3` extra). "
                "The agent caches it by checksum.",
                max_length=2000,
                examples=["https://data.example.org/traffic.tar.gz"],
            ),
        ]
        | UnsetType
    ) = UNSET
    sha256: (
        Annotated[
            str,
            key(
                "SHA-256 of the file, as `sha256sum` prints it; required with `url`.",
                pattern=r"^[0-9a-fA-F]{64}$",
                allowed="64 hexadecimal digits",
            ),
        ]
        | UnsetType
    ) = UNSET
    unpack: (
        Annotated[
            bool,
            key(
                "Whether to unpack a zip or tar archive. Default: yes, if its name ends in one of "
                f"{', '.join(ARCHIVE_SUFFIXES)}."
            ),
        ]
        | UnsetType
    ) = UNSET


_Path = Annotated[str, key(max_length=500)]
DatasetValue = Annotated[
    _Path | DatasetSection,
    key(
        "A folder or file next to the sage.yaml, or where to download one; the app sees it read-only at /dataset.",
        examples=["traffic/", {"url": "https://data.example.org/traffic.tar.gz", "sha256": "9f86…"}],
        allowed="a path, or a mapping (see below)",
    ),
]


class ReadySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """When a service is ready: one of `http`, `tcp`, `log` and `file`."""

    http: (
        Annotated[
            str,
            key(
                "A port and path that answer with a status below 400.",
                pattern=r"^[1-9][0-9]{0,4}(/[!-~]{0,500})?$",
                examples=["8080/health"],
                allowed="a port and a path, such as 8080/health",
            ),
        ]
        | UnsetType
    ) = UNSET
    tcp: Annotated[int, key("A port that accepts connections.", ge=1, le=65535)] | UnsetType = UNSET
    log: Annotated[str, key("A text in the service's output.", min_length=1, max_length=200)] | UnsetType = UNSET
    file: (
        Annotated[
            str,
            key(
                "A file in its container.",
                pattern=r"^/[^\x00]{1,500}$",
                examples=["/tmp/ready"],  # noqa: S108
                allowed="an absolute path",
            ),
        ]
        | UnsetType
    ) = UNSET
    timeout: Annotated[Duration, key("How long that may take; then the run fails.")] = Ready().timeout_s


class StreamSection(DatasetSection, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What a playback service plays under one name: a dataset, and how fast."""

    rate: Annotated[
        float, key("Images (or audio recordings) per second; a video has its own rate.", ge=0.001, le=1000)
    ] = Stream("", "").rate


_Name = Annotated[
    str,
    key(pattern=r"^[a-z][a-z0-9-]{0,30}$", allowed="1 to 31 of a-z, 0-9 and '-', the first a letter"),
]


class ServiceSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What an app needs beside it while it runs."""

    name: (
        Annotated[
            _Name,
            key(
                f"The host name at which the app reaches it. Default: `{PLAYBACK_NAME}` for a playback, `rabbitmq` "
                "for a broker."
            ),
        ]
        | UnsetType
    ) = UNSET
    image: (
        Annotated[
            str,
            key(
                f"Its image. Default: built in for a playback, `{BROKER_IMAGE}` for a broker.",
                pattern=r"^\s*[A-Za-z0-9][A-Za-z0-9._/:@-]{0,298}\s*$",
                allowed="the name of an image, such as redis:7",
                examples=["redis:7"],
            ),
        ]
        | UnsetType
    ) = UNSET
    args: Annotated[Args, key("Its arguments, written like those of a target.")] = ""
    env: Annotated[Env, key("Its environment variables.")] = {}
    secrets: Annotated[Secrets, key("Its variables whose values are credentials.")] = {}
    dataset: DatasetValue | UnsetType = UNSET
    ready: (
        Annotated[ReadySection, key("When it is ready; what needs it starts after that. Default: as soon as it runs.")]
        | UnsetType
    ) = UNSET
    needs: Annotated[list[_Name], key("Services that must be ready before it.", examples=[["broker"]])] = []
    playback: (
        Annotated[
            dict[_Name, _Path | StreamSection],
            key(
                "Cameras and microphones by name, and the recording that each plays; see docs/cookbook.md.",
                examples=[{"camera-left": "traffic/"}],
                max_keys=50,
                allowed="a mapping of names to datasets",
            ),
        ]
        | UnsetType
    ) = UNSET
    broker: (
        Annotated[
            Literal["rabbitmq"],
            key(
                "A message broker configured as on a Waggle node, with the user and the exchanges that pywaggle's "
                "Plugin expects."
            ),
        ]
        | UnsetType
    ) = UNSET


Services = Annotated[
    list[ServiceSection],
    key(
        "Containers that run beside the app on its private network, and the playback of recordings.",
        max_length=20,
        examples=[[{"playback": {"camera-left": "traffic/"}}, {"name": "broker", "image": "redis:7"}]],
    ),
]
