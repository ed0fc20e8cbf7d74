"""The examinations, one module for each subject; each yields what is not well."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfup.doctor.findings import files, jupyter, keras_json, machine, packages, pairs, python, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient


class Subject(NamedTuple):
    """Something to look at: its name, what is said of it when it is well, and the examination."""

    name: str
    describe: Callable[[Patient], str]
    examine: Callable[[Patient], Iterator[Trouble]]


SUBJECTS = (
    Subject("python", python.describe, python.examine),
    Subject("packages", packages.describe, packages.examine),
    Subject("pairs", pairs.describe, pairs.examine),
    Subject("files", files.describe, files.examine),
    Subject("settings", variables.describe, variables.examine),
    Subject("system", machine.describe, machine.examine),
    Subject("keras.json", keras_json.describe, keras_json.examine),
    Subject("jupyter", jupyter.describe, jupyter.examine),
)
