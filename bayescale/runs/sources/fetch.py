"""Fetch: the published files of a source, checked against their SHA-256 and kept in the cache."""

from __future__ import annotations

import logging
import os
from urllib.parse import quote

from bayescale.base.errors import BayescaleError
from bayescale.base.numbers import count
from bayescale.base.output import say
from bayescale.runs.sources.registry import Source

_ADDRESS = "https://raw.githubusercontent.com"
_TIMEOUT = 30  # seconds without an answer


def fetch(source: Source) -> None:
    """Get the files of a source that are not in the cache, or are damaged there.

    The environment variable `BAYESCALE_MIRROR` replaces the address in front of
    `repository/commit/path`.

    Raises
    ------
    BayescaleError
        If a file cannot be had, is not the one that was published, or cannot be kept.
    """
    import pooch
    from requests import RequestException

    mirror = os.environ.get("BAYESCALE_MIRROR")
    address = (mirror or _ADDRESS).rstrip("/")
    where = f"{source.repository}/{source.commit}"
    say(f"{source.name}: {count(len(source.files), 'file')} of {address}/{where}")
    pooch.get_logger().setLevel(logging.WARNING)
    files = pooch.create(
        path=source.folder,
        base_url=f"{address}/{where}/",
        registry={path: f"sha256:{digest}" for path, digest in source.files.items()},
        urls={path: f"{address}/{where}/{quote(path)}" for path in source.files},
    )
    download = pooch.HTTPDownloader(timeout=_TIMEOUT)
    for path in source.files:
        try:
            files.fetch(path, downloader=download)
        except RequestException as error:
            answer = getattr(error.response, "status_code", None)
            why = "cannot be reached" if answer is None else f"answers {answer}"
            hint = (
                "check BAYESCALE_MIRROR" if mirror else "try again online, or set BAYESCALE_MIRROR"
            )
            raise BayescaleError(f"{source.name}: {address} {why} for {path}; {hint}") from error
        except ValueError as error:  # pooch's, of a digest
            raise BayescaleError(
                f"{source.name}: {address}/{where}/{path} is not the file that was published: its "
                "SHA-256 differs; nothing was kept"
            ) from error
        except OSError as error:
            raise BayescaleError(f"{source.folder}: cannot be written: {error.strerror}") from error
