"""The person's settings: pip's words become uv's, and no password is ever seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfup.errors import UnreadableFile
from tfup.formats import Source
from tfup.managers.index_settings import (
    INDEXES,
    configured_sources,
    pip_environment,
    pip_files,
    uv_environment,
)
from tfup.privacy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = {"HOME": "/home/ann"}
INDEX = "https://index.example/simple"


def reading(**files: str) -> Callable[[Path], str | None]:
    """Return a reader of files that exist only in the test."""
    places = {
        "user": "/home/ann/.config/pip/pip.conf",
        "machine": "/etc/pip.conf",
        "uv": "/home/ann/.config/uv/uv.toml",
    }
    texts = {Path(places[name]): text for name, text in files.items()}
    return texts.get


def test_pips_variable_becomes_uvs() -> None:
    """PIP_INDEX_URL names the default index of uv."""
    assert INDEX == uv_environment({"PIP_INDEX_URL": INDEX}, reading())["UV_DEFAULT_INDEX"]


def test_pip_conf_is_read() -> None:
    """An index in the user's pip.conf names the default index of uv."""
    read = reading(user=f"[global]\nindex-url = {INDEX}\n")

    assert INDEX == uv_environment(HOME, read)["UV_DEFAULT_INDEX"]


def test_the_user_wins_over_the_machine() -> None:
    """Of two files that say the same option, the user's counts."""
    read = reading(machine="[global]\nproxy = http://old:1\n", user="[global]\nproxy = http://new:2\n")

    assert "http://new:2" == uv_environment(HOME, read)["HTTPS_PROXY"]


def test_the_install_section_wins_over_global_wherever_it_is() -> None:
    """As in pip, [install] of the machine's file wins over [global] of the user's."""
    read = reading(
        machine=f"[install]\nindex_url = {INDEX}\n", user="[global]\nindex-url = https://b.example\n"
    )

    assert INDEX == uv_environment(HOME, read)["UV_DEFAULT_INDEX"]


def test_the_null_device_turns_pips_files_off() -> None:
    """PIP_CONFIG_FILE=/dev/null means that no file is read."""
    assert () == pip_files(HOME | {"PIP_CONFIG_FILE": os.devnull})


def test_a_named_configuration_replaces_the_users(tmp_path: Path) -> None:
    """Where PIP_CONFIG_FILE exists, pip passes over the files in the home folder."""
    named = tmp_path / "pip.conf"
    named.touch()

    files = pip_files(HOME | {"PIP_CONFIG_FILE": str(named)})

    assert (named, False) == (files[-1], Path("/home/ann/.config/pip/pip.conf") in files)


def test_the_places_of_windows_and_xdg_are_known() -> None:
    """%APPDATA% and XDG_CONFIG_HOME are where pip looks, too."""
    files = pip_files({"APPDATA": "/appdata", "XDG_CONFIG_HOME": "/xdg"})

    assert {Path("/appdata/pip/pip.ini"), Path("/xdg/pip/pip.conf")} <= set(files)


def test_windows_has_three_places_of_pips_the_last_winning() -> None:
    """That of the machine, the old one of the person, and today's."""
    variables = {"PROGRAMDATA": "/program", "USERPROFILE": "/person", "APPDATA": "/appdata"}
    files = [file for file in pip_files(variables) if file.name == "pip.ini"]

    assert [Path(f"/{folder}/pip/pip.ini") for folder in ("program", "person", "appdata")] == files


def test_no_home_is_no_problem() -> None:
    """Without HOME only the machine's files are looked for."""
    assert (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")) == pip_files({})


def test_what_uv_obeys_already_wins() -> None:
    """UV_DEFAULT_INDEX, its older name and a proxy of the system's stay as they are."""
    said = {
        "PIP_INDEX_URL": INDEX,
        "UV_INDEX_URL": "https://mine.example",
        "PIP_PROXY": "a:1",
        "https_proxy": "http://b",
    }

    environment = uv_environment(said, reading())

    assert (False, False) == ("UV_DEFAULT_INDEX" in environment, "HTTPS_PROXY" in environment)


def test_indexes_in_uv_toml_win_over_pips() -> None:
    """A uv.toml that names indexes rules them; pip's certificate still counts."""
    read = reading(
        uv='[[index]]\nurl = "https://mine.example"\n', user=f"[global]\nindex-url={INDEX}\ncert=/ca.pem\n"
    )

    environment = uv_environment(HOME, read)

    assert ("/ca.pem", None) == (environment["SSL_CERT_FILE"], environment.get("UV_DEFAULT_INDEX"))


def test_tfups_own_index_wins_over_all() -> None:
    """TFUP_INDEX_URL is the one index: no extra index and no folder of wheels beside it."""
    said = {
        "TFUP_INDEX_URL": INDEX,
        "UV_DEFAULT_INDEX": "https://a.example",
        "PIP_EXTRA_INDEX_URL": "https://b.example",
    }

    environment = uv_environment(said | {"UV_FIND_LINKS": "/wheels"}, reading())

    assert {"UV_DEFAULT_INDEX": INDEX} == {name: environment[name] for name in INDEXES if name in environment}


def test_extra_indexes_are_all_asked_for_the_best() -> None:
    """pip's extra indexes are equals of the first one, so uv may not stop at the first that knows a name."""
    said = {"PIP_EXTRA_INDEX_URL": "https://a.example/simple\n https://b.example/simple"}

    environment = uv_environment(said, reading())

    assert "https://a.example/simple https://b.example/simple" == environment["UV_INDEX"]
    assert "unsafe-best-match" == environment["UV_INDEX_STRATEGY"]


def test_the_persons_strategy_is_kept() -> None:
    """An UV_INDEX_STRATEGY of the person's is not replaced, and without extra indexes none is set."""
    said = {"PIP_EXTRA_INDEX_URL": "https://a.example/simple", "UV_INDEX_STRATEGY": "first-index"}

    assert "first-index" == uv_environment(said, reading())["UV_INDEX_STRATEGY"]
    assert "UV_INDEX_STRATEGY" not in uv_environment({"PIP_INDEX_URL": INDEX}, reading())


def test_folders_that_are_missing_are_left_out(tmp_path: Path) -> None:
    """uv stops at a missing folder where pip goes on, so only those that are there are named."""
    index, wheels = tmp_path / "my index", tmp_path / "wheels"
    (index / "sunny").mkdir(parents=True)
    wheels.mkdir()
    said = {
        "PIP_EXTRA_INDEX_URL": f"{index.as_uri()} file:///no/such/index {wheels.as_uri()}",
        "PIP_FIND_LINKS": f"{wheels} /no/such/wheels https://index.example/links",
    }

    environment = uv_environment(said, reading())

    assert index.as_uri() == environment["UV_INDEX"]
    assert f"{wheels},https://index.example/links" == environment["UV_FIND_LINKS"]


def test_nothing_is_set_for_nothing() -> None:
    """Settings of which nothing is there set no variable."""
    said = {
        "PIP_FIND_LINKS": "/no/such/wheels",
        "PIP_EXTRA_INDEX_URL": "file:///no/such/index",
        "PIP_CERT": "",
    }

    assert said == uv_environment(said, reading())


def test_a_proxy_gets_its_scheme() -> None:
    """pip takes host:port for a proxy; uv wants an address."""
    assert (
        "http://proxy.example:3128"
        == uv_environment({"PIP_PROXY": "proxy.example:3128"}, reading())["HTTP_PROXY"]
    )


def test_trusted_hosts_are_listed_in_one_line() -> None:
    """A list of several lines in pip.conf is one of words for uv."""
    read = reading(user="[global]\ntrusted-host =\n    a.example\n    b.example:8443\n")

    assert "a.example b.example:8443" == uv_environment(HOME, read)["UV_INSECURE_HOST"]


def test_uv_does_not_see_other_environments() -> None:
    """What Python, conda or an environment left behind does not reach uv, nor what would skip the hashes."""
    said = {
        "PYTHONPATH": "x",
        "VIRTUAL_ENV": "x",
        "CONDA_PREFIX": "x",
        "UV_PYTHON": "x",
        "UV_NO_VERIFY_HASHES": "1",
    }

    assert {"PATH": "/bin"} == uv_environment(said | {"PATH": "/bin"}, reading())


def test_a_broken_pip_conf_is_named_without_its_password() -> None:
    """pip could not read it either; the message shows the line, but no password."""
    read = reading(user="index-url = https://joe:secret@index.example\n")

    with pytest.raises(UnreadableFile) as caught:
        uv_environment(HOME, read)

    assert "/home/ann/.config/pip/pip.conf" in caught.value.sentence
    assert "secret" not in repr(caught.value)


@given(st.text("abc%:.$", min_size=1), st.text("abc%@$!", min_size=1))
def test_no_password_is_ever_seen(user: str, password: str) -> None:
    """Whatever user and password an address carries, masking leaves neither."""
    masked = hide_credentials(f"error at 'http://{user}:{password}@index.example/simple', twice")

    assert "error at 'http://***@index.example/simple', twice" == masked


def test_a_proxys_password_is_masked_without_a_scheme() -> None:
    """pip lets a proxy go without a scheme, and error texts repeat it."""
    assert "proxy = ***@proxy.example:3128" == hide_credentials("proxy = joe:secret@proxy.example:3128")


def test_text_without_credentials_is_left_alone() -> None:
    """Requirements by address, hashes and plain addresses pass as they are."""
    text = "six @ https://index.example/six.whl --hash=sha256:00 ann@index.example"

    assert text == hide_credentials(text)


def test_configured_indexes_become_sources() -> None:
    """The Pipfile names the indexes of the person, the default one first, with variables for credentials."""
    said = {
        "PIP_INDEX_URL": "https://joe:secret@index.example/simple",
        "UV_INDEX": "lab=http://lab.example:8080/simple",
        "UV_INSECURE_HOST": "lab.example",
    }

    first, second = configured_sources(said, reading())

    variables = "${UV_INDEX_INDEX_1_USERNAME}:${UV_INDEX_INDEX_1_PASSWORD}"
    assert Source("index-1", f"https://{variables}@index.example/simple", verify_ssl=True) == first
    assert Source("lab", "http://lab.example:8080/simple", verify_ssl=False) == second


def test_extra_indexes_alone_are_no_sources() -> None:
    """Pipenv would take the first source for the default index, whose address only it knows."""
    assert () == configured_sources({"PIP_EXTRA_INDEX_URL": "https://a.example/simple"}, reading())


# ---------------------------------------------------------------- pip's own words


def test_an_old_pip_hears_what_only_uv_was_told() -> None:
    """Indexes lose their names, lists their commas, and a mirror without TLS is trusted."""
    said = pip_environment(
        {
            "UV_DEFAULT_INDEX": "http://joe:pw@mirror.lab:8080/simple",
            "UV_INDEX": "own=https://own.lab/simple",
            "UV_FIND_LINKS": "/a,/b",
            "UV_INSECURE_HOST": "old.lab",
            "SSL_CERT_FILE": "/lab.pem",
        },
        reading(),
    )

    assert {
        "PIP_INDEX_URL": "http://joe:pw@mirror.lab:8080/simple",
        "PIP_EXTRA_INDEX_URL": "https://own.lab/simple",
        "PIP_FIND_LINKS": "/a /b",
        "PIP_CERT": "/lab.pem",
        "PIP_TRUSTED_HOST": "old.lab mirror.lab:8080",
    } == {name: value for name, value in said.items() if name.startswith("PIP_")}


def test_the_one_index_is_the_one_of_an_old_pip_too() -> None:
    """TFUP_INDEX_URL beats pip's own variables, and its files are not read again."""
    said = pip_environment(
        {
            "TFUP_INDEX_URL": INDEX,
            "PIP_INDEX_URL": "https://b.example",
            "PIP_EXTRA_INDEX_URL": "https://c.example",
        },
        reading(),
    )

    assert (INDEX, os.devnull) == (said["PIP_INDEX_URL"], said["PIP_CONFIG_FILE"])
    assert "PIP_EXTRA_INDEX_URL" not in said
