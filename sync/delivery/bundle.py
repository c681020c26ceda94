"""Offer the file bundle as the way out: one CSV and one workbook a site."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from schemas.study import Study
from sync.config import DeliveryConfig, SiteConfig
from sync.delivery import files, lists
from sync.queries.model import Query


class FileBundle:
    """Implement Delivery by files in one folder."""

    def __init__(self, config: DeliveryConfig, language: str) -> None:
        """Keep the folder, the formats, and the language of sites that name none."""
        self._config = config
        self._language = language

    def deliver(
        self, site: SiteConfig, queries: Sequence[Query], study: Study, *, links: Mapping[str, str], now: datetime
    ) -> tuple[Path, ...]:
        """Write ``<site>.csv`` and ``<site>.xlsx`` in the site's language, in place of the last ones."""
        language = site.language or self._language
        rows = lists.lay_out(queries, study, links=links, language=language, now=now)
        return files.write(
            self._config.folder,
            site.slug,
            rows,
            formats=self._config.formats,
            language=language,
            title=f"{site.name}: open queries",
            now=now,
        )
