"""A mapping where no study is there to map to is told, not passed over."""

from sync import bootstrap
from tests.workflows import small


def test_a_mapping_without_a_study_is_refused_for_its_site(tmp_path):
    with small.serve(tmp_path) as trial:
        small.fill(trial, 2)
        app = trial.app("one")
        path = app.config.path
        path.write_text(path.read_text("utf-8") + 'mapping = "all.toml"\n', encoding="utf-8")
        mapped = bootstrap.build(path, {"TOKEN": small.TOKEN}, cwd=tmp_path, clock=trial.clock)
        try:
            (site,) = small.run_night(mapped).sites
        finally:
            mapped.close()
    assert (site.outcome, site.exit_code) == ("refused", 4)
    assert 'sites.all.mapping: study.definition is "dictionary"' in site.reason
    assert "remove the line, or name a study" in site.reason
