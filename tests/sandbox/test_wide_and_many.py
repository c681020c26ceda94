"""Answer very wide dictionaries in seconds, and several clients and projects at once."""

import json
import threading
import time

import pytest
import requests

from sync.sandbox.dictionary import Field, Form, Structure
from sync.sandbox.people import User
from sync.sandbox.project import Project, Settings
from sync.sandbox.sandbox import Sandbox

TOKEN = "a" * 32
WIDTH = 20_000


@pytest.fixture(scope="module")
def wide():
    names = [f"v{number}" for number in range(WIDTH - 1)]
    fields = (
        Field(field_name="record_id", form_name="one"),
        *(
            Field(field_name=name, form_name="one", field_type="calc", select_choices_or_calculations="[v1] + 1")
            if number % 100 == 99
            else Field(field_name=name, form_name="one", field_label=f"Label {number}")
            for number, name in enumerate(names)
        ),
    )
    project = Project(
        slug="wide",
        settings=Settings(project_id=1, title="wide"),
        structure=Structure(fields=fields, forms=(Form(name="one", label="One"),)),
    )
    project.users["u"] = User(username="u")
    with Sandbox() as sandbox:
        sandbox.adopt(project, TOKEN, "u")
        url = sandbox.start()

        def ask(**data):
            start = time.monotonic()
            reply = requests.post(url, data={"token": TOKEN, "format": "json", **data}, timeout=60)
            assert reply.status_code == 200, reply.text[:200]
            assert time.monotonic() - start < 10
            return reply

        row = {"record_id": "1"} | dict.fromkeys(names[::3], "5")
        ask(content="record", data=json.dumps([row]))
        yield ask, names


@pytest.mark.parametrize("content", ["metadata", "exportFieldNames", "project_xml", "user"])
def test_structure_of_a_very_wide_project(wide, content):
    ask, names = wide
    assert names[-1] in ask(content=content).text or content == "user"


def test_one_record_of_a_very_wide_project(wide):
    ask, names = wide
    assert len(ask(content="record", records="1").json()[0]) == WIDTH + 1
    assert ask(content="record", type="eav").json()[0]["record"] == "1"
    # PyCap names every field in its request
    arrays = {f"fields[{index}]": name for index, name in enumerate(["record_id", *names])}
    assert len(ask(content="record", **arrays).json()[0]) == WIDTH
    assert len(ask(content="metadata", **arrays).json()) == WIDTH


def test_the_dictionary_of_a_very_wide_project_goes_back(wide):
    ask, _ = wide
    assert ask(content="metadata", data=ask(content="metadata").text).text == str(WIDTH)


def test_many_clients_at_once_lose_nothing(invented_xml, tmp_path):
    with Sandbox(state=tmp_path) as sandbox:
        for number in (1, 2):
            sandbox.add_project(invented_xml, slug=f"p{number}", token=f"{number:032x}", project_id=number)
        url = sandbox.start()
        faults: list[str] = []

        def work(client: int) -> None:
            token = f"{client % 2 + 1:032x}"
            session = requests.Session()
            for step in range(8):
                data = json.dumps([{"record_id": f"{client}-{step}", "age": str(20 + step)}])
                made = session.post(url, data={"token": token, "content": "record", "format": "json", "data": data})
                read = session.post(url, data={"token": token, "content": "record", "format": "csv"})
                if made.text != '{"count":1}' or f"{client}-{step}," not in read.text:
                    faults.append(made.text)
            session.close()

        threads = [threading.Thread(target=work, args=(client,)) for client in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
    with Sandbox(state=tmp_path) as again:
        for slug in ("p1", "p2"):
            names = again.project(slug).record_names()
            assert sum("-" in name for name in names) == 32


def test_numbers_by_auto_numbering_are_given_once(invented_xml):
    with Sandbox() as sandbox:
        sandbox.add_project(invented_xml, slug="p", token=TOKEN, project_id=1)
        url = sandbox.start()
        given: list[str] = []

        def work() -> None:
            data = {"token": TOKEN, "content": "record", "format": "json", "forceAutoNumber": "true",
                    "returnContent": "auto_ids", "data": '[{"record_id": "x", "age": "40"}]'}  # fmt: skip
            for _ in range(6):
                given.extend(requests.post(url, data=data, timeout=10).json())

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(given) == len(set(given)) == 36
