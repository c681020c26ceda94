"""The configuration: what it reads, and that it reports all that is wrong at once. All sites are invented."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, get_args

import certifi
import pytest
from pydantic import BaseModel

from sync import config
from sync.errors import ConfigError

TOKEN = "0123456789ABCDEF0123456789ABCDEF"
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

SITE = """
[[sites]]
slug = "north"
name = "North Hospital"
subject_prefix = "NO"
url = "https://redcap.example.org/api/"
project_id = 17
token_env = "T_NORTH"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.load(write(folder, text), environ or {})
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def test_the_example_loads() -> None:
    loaded = config.load(EXAMPLE, {})
    assert [site.slug for site in loaded.sites] == ["drumtower", "zhenjiang", "jiangsu", "yangzhou"]
    assert loaded.site("zhenjiang").token_file == EXAMPLE.parent / "tokens/zhenjiang"
    assert loaded.path == EXAMPLE
    assert str(loaded.study.zone) == "Asia/Shanghai"


def test_the_example_shows_every_key_and_no_other() -> None:
    """Commented-out keys count as shown."""
    text = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    data = tomllib.loads(text)

    def keys_of(model: type[BaseModel]) -> dict[str, Any]:
        return {name: field.annotation for name, field in model.model_fields.items()}

    assert set(data) == set(keys_of(config.Config))
    for name, annotation in keys_of(config.Config).items():
        model = next(c for c in (annotation, *get_args(annotation)) if isinstance(c, type) and c is not tuple)
        shown = set().union(*data[name]) if isinstance(data[name], list) else set(data[name])
        assert shown == set(keys_of(model)), name


def test_relative_paths_resolve_against_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    shutil.copy(certifi.where(), tmp_path / "ca.pem")
    text = '[study]\ndefinition = "studies/own"\n[transport]\nca_bundle = "ca.pem"\n'
    loaded = config.load(write(tmp_path, text + SITE + 'mapping = "sites/n.toml"\n'), {})
    assert loaded.warehouse.url == f"sqlite:///{tmp_path}/warehouse.sqlite"
    assert loaded.delivery.folder == tmp_path / "queries"
    assert loaded.transport.ca_bundle == tmp_path / "ca.pem"
    assert loaded.study.definition == str(tmp_path / "studies/own")
    assert loaded.sites[0].mapping == tmp_path / "sites/n.toml"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql+psycopg://u@host/db", "sqlite:////srv/w.sqlite"]
)
def test_other_warehouse_urls_stay_as_they_are(tmp_path: Path, url: str) -> None:
    assert config.load(write(tmp_path, f'[warehouse]\nurl = "{url}"\n{SITE}'), {}).warehouse.url == url


def test_the_warehouse_url_may_come_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, f'[warehouse]\nurl_env = "W"\n{SITE}')
    loaded = config.load(path, {"W": "postgresql+psycopg://u:pass-word@host/db"})
    assert loaded.warehouse.url.endswith("@host/db")
    assert "pass-word" not in repr(loaded)
    assert "variable W is not set" in problems(tmp_path, path.read_text())[0]


def test_a_plain_study_name_is_not_a_path(tmp_path: Path) -> None:
    assert config.load(write(tmp_path, f'[study]\ndefinition = "sle"\n{SITE}'), {}).study.definition == "sle"


def test_every_problem_at_once_with_file_line_key_and_remedy(tmp_path: Path) -> None:
    text = f"""[study]
timezone = "Asia/Shanhai"
langage = "en"

[transport]
retries = "many"
proxy = "http://u:secretpw@host:1"

[[sites]]
slug = "a"
name = "A"
subject_prefix = "AA"
url = "http://far.example.org/api"
project_id = 0
token = "{TOKEN}"

[[sites]]
slug = "a"
name = ""
subject_prefix = "aa"
url = "https://far.example.org/api/"
token_env = "X"
token_file = "y"
mappings = "x"
[sitez]
"""
    found = problems(tmp_path, text)
    expected = [
        (2, "study.timezone", "Asia/Shanghai"),
        (3, "study.langage", "did you mean 'language'"),
        (6, "transport.retries", "integer"),
        (7, "transport.proxy", "password"),
        (13, "sites.a.url", "in clear"),
        (13, "sites.a.url", "end in /api/"),
        (14, "sites.a.project_id", "greater than or equal to 1"),
        (15, "sites.a.token", "have it re-issued"),
        (17, "sites.a.project_id", "is missing"),
        (18, "sites.a.slug", "same slug as that of site #1"),
        (19, "sites.a.name", "at least 1 character"),
        (20, "sites.a.subject_prefix", "same subject_prefix"),
        (23, "sites.a.token_file", "keep exactly one"),
        (24, "sites.a.mappings", "did you mean 'mapping'"),
        (25, "sitez", "did you mean 'sites'"),
    ]
    assert len(found) == len(expected), "\n".join(found)
    for line, (number, key, words) in zip(found, expected, strict=True):
        assert line.startswith(f"{tmp_path}/config.toml:{number}: {key}: "), line
        assert words in line
    joined = "\n".join(found)
    assert TOKEN not in joined
    assert "secretpw" not in joined
    assert "Input" not in joined


def test_patterns_are_told_in_words(tmp_path: Path) -> None:
    text = SITE.replace('"north"', '"North!"').replace('"T_NORTH"', f'"{TOKEN} x"').replace('"NO"', '"1"')
    found = problems(tmp_path, text)
    assert len(found) == 3
    assert "sites.#1.slug: write up to 40 lower-case letters" in found[0]
    assert "write up to 16 letters" in found[1]
    assert "not its value" in found[2]
    assert TOKEN not in str(found)


def test_single_brackets_are_explained(tmp_path: Path) -> None:
    found = problems(tmp_path, SITE.replace("[[sites]]", "[sites]"))
    assert len(found) == 1
    assert "in double brackets" in found[0]


def test_no_site_and_broken_toml(tmp_path: Path) -> None:
    assert "add a table [[sites]]" in problems(tmp_path, "[study]\n")[0]
    broken = problems(tmp_path, f'[study]\nlanguage = "en"\ntoken = "{TOKEN}\n')
    assert ":3: this is not TOML" in broken[0]
    assert TOKEN not in broken[0]
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "absent.toml", {})


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765"])
def test_http_is_for_loopback_or_by_choice(tmp_path: Path, host: str) -> None:
    config.load(write(tmp_path, SITE.replace("https://redcap.example.org", f"http://{host}")), {})
    plain = SITE.replace("https://", "http://")
    assert "in clear" in problems(tmp_path, plain)[0]
    config.load(write(tmp_path, plain + "allow_http = true\n"), {})


def test_no_spelling_of_http_passes_for_another_scheme(tmp_path: Path) -> None:
    assert "in clear" in problems(tmp_path, SITE.replace("https://", "HTTP://"))[0]


@pytest.mark.parametrize("port", ["99999", "x"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    (found,) = problems(tmp_path, SITE.replace("example.org", f"example.org:{port}"))
    assert "sites.north.url: write the project's API address" in found


def test_a_missing_token_source_is_reported(tmp_path: Path) -> None:
    found = problems(tmp_path, SITE.replace('token_env = "T_NORTH"', ""))
    assert "give token_env, token_file or token_credential" in found[0]


def test_one_project_may_be_shared_by_groups_only(tmp_path: Path) -> None:
    other = SITE.replace("north", "south").replace('"NO"', '"SO"').replace("T_NORTH", "T_SOUTH")
    assert "same project" in problems(tmp_path, SITE + other)[0]
    for spelling in ("https://REDCap.Example.org/api/", "https://redcap.example.org:443/api/"):
        again = other.replace("https://redcap.example.org/api/", spelling)
        assert "same project" in problems(tmp_path, SITE + again)[0]
    config.load(write(tmp_path, f'{SITE}group = "n"\n{other}group = "s"\n'), {})
    assert "same project" in problems(tmp_path, f'{SITE}group = "n"\n{other}group = "N"\n')[0]


@pytest.mark.parametrize(("first", "second"), [("", 'group = "s"\n'), ('group = "s"\n', "")])
def test_a_project_is_not_pulled_as_a_whole_and_by_group(tmp_path: Path, first: str, second: str) -> None:
    other = SITE.replace('"north"', '"south"').replace('"NO"', '"SO"')
    (found,) = problems(tmp_path, f"{SITE}{first}{other}{second}")
    whole, group = ("north", "south") if second else ("south", "north")
    assert f"sites.{group}.group: is a group of the project that site {whole} takes as a whole" in found
    assert f"give site {whole} its group" in found


def test_one_server_is_known_by_whatever_case_its_host_is_written_in(tmp_path: Path) -> None:
    other = SITE.replace('"north"', '"south"').replace('"NO"', '"SO"')
    shouted = other.replace("https://redcap.example.org/", "https://RedCap.Example.ORG:443/")
    assert shouted != other
    assert "same project" in problems(tmp_path, SITE + shouted)[0]
    elsewhere = other.replace("/api/", "/other/api/")
    config.load(write(tmp_path, SITE + elsewhere), {})


def test_an_unknown_site_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known are north"):
        config.load(write(tmp_path, SITE), {}).site("nord")


def test_the_file_is_found_by_option_then_variable_then_folder(tmp_path: Path) -> None:
    here = write(tmp_path, SITE)
    other = tmp_path / "other.toml"
    other.write_text(SITE)
    assert config.find(None, {}, cwd=tmp_path) == here
    assert config.find(None, {config.VARIABLE: "other.toml"}, cwd=tmp_path) == other
    assert config.find(here, {config.VARIABLE: "other.toml"}, cwd=tmp_path) == here
    with pytest.raises(ConfigError, match=r"\$SYNCLINE_CONFIG"):
        config.find(None, {config.VARIABLE: "gone.toml"}, cwd=tmp_path)


def site(tmp_path: Path, source: str) -> config.SiteConfig:
    return config.load(write(tmp_path, SITE.replace('token_env = "T_NORTH"', source)), {}).sites[0]


def test_a_token_comes_from_each_source(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    by_variable = site(tmp_path, 'token_env = "T"')
    by_file = site(tmp_path, 'token_file = "secret"')
    by_credential = site(tmp_path, 'token_credential = "secret"')
    assert config.resolve_token(by_variable, {"T": TOKEN}) == TOKEN
    assert config.resolve_token(by_file, {}) == TOKEN
    assert config.resolve_token(by_credential, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "secret").write_text(TOKEN)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        config.resolve_token(site(tmp_path, 'token_file = "secret"'), {})
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("value", ["", "short-secret", TOKEN[:-1] + "x", TOKEN + TOKEN])
def test_a_malformed_token_is_named_by_its_source_never_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"sites\.north\.token_env: environment variable T") as caught:
        config.resolve_token(site(tmp_path, 'token_env = "T"'), {"T": value})
    assert not value or value not in str(caught.value)


def test_an_absent_token_file_or_credential_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="secret cannot be read"):
        config.resolve_token(site(tmp_path, 'token_file = "secret"'), {})
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY is not set"):
        config.resolve_token(site(tmp_path, 'token_credential = "secret"'), {})


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read"), ("no certificate", "no certificate in PEM form")]
)
def test_a_ca_bundle_that_is_of_no_use_is_named_with_its_line(tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "hospital.pem").write_text(content, encoding="utf-8")
    (found,) = problems(tmp_path, f'[transport]\nca_bundle = "hospital.pem"\n{SITE}')
    assert "config.toml:2: transport.ca_bundle: the file" in found
    assert says in found
