"""Say how query lists leave the house."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from schemas.study import Study
from sync.config import SiteConfig
from sync.queries.model import Query


class Delivery(Protocol):
    """Hand a site the list of its open queries."""

    def deliver(
        self, site: SiteConfig, queries: Sequence[Query], study: Study, *, links: Mapping[str, str], now: datetime
    ) -> tuple[Path, ...]:
        """Write the list of what is open now in place of the last one, whole or not at all; say where it stands.

        ``links`` maps query numbers to pages of the site's REDCap. Raises OSError where it cannot be written.
        """
        ...
