"""Say how one site's project is read: by a study and a mapping, or by its own dictionary."""

from dataclasses import dataclass

from schemas import dictionary
from schemas.project import ProjectStructure
from schemas.study import Study
from sync.harmonise import mapping as mappings
from sync.harmonise.mapping import SiteMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """Say how one site's project is to be read and judged."""

    slug: str
    name: str
    #: begins subject ids and query numbers
    prefix: str
    language: str
    #: None: derived from REDCap's own dictionary at each pull
    study: Study | None
    mapping: SiteMapping | None

    def resolve(self, structure: ProjectStructure) -> tuple[Study, SiteMapping]:
        """Give the study and mapping that hold for a project, deriving both where no study is configured."""
        if self.study is not None and self.mapping is not None:
            return self.study, self.mapping
        study = dictionary.study_from_project(structure)
        return study, mappings.identity(study)
