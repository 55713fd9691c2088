"""The classes of a data set: its own, by name; where it names none, the taxonomy's and `Other`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saom_core.errors import InputError
from saom_core.taxonomy import CLASSES_AND_OTHER


def class_names_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes of a data set that was made as `info` (its dataset.json) says.

    Raises:
        InputError: If they are no list of different names.
    """
    names = info.get("class_names", CLASSES_AND_OTHER)
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise InputError(f"expected class_names to be a list of names, got {names!r}")
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise InputError(f"expected class_names to be different texts that are not empty, got {list(names)}")
    return tuple(names)


def index_of(name: str, class_names: Sequence[str]) -> int:
    """Place of a name in the list.

    Raises:
        InputError: If it is not there.
    """
    if name not in class_names:
        raise InputError(
            f"expected an object of one of the data set's {len(class_names)} classes, got {name!r}: name it so, or add "
            "it to class_names in what the data set is made with"
        )
    return class_names.index(name)


def categories_of(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """COCO's categories; an id is a place in the list."""
    return [{"id": index, "name": name} for index, name in enumerate(class_names)]


def names_by_id(shard: Mapping[str, Any]) -> dict[int, str]:
    """Class name of each category id of a shard, by rising id; ids need not begin with 0, nor be without gaps.

    Raises:
        InputError: If an id has two names, or a category none.
    """
    names: dict[int, str] = {}
    for entry in shard.get("categories", categories_of(CLASSES_AND_OTHER)):
        number, name = int(entry["id"]), entry["name"]
        if name is None:
            raise InputError(f"expected a name for every category, got none for id {number}: give it one")
        if names.setdefault(number, str(name)) != str(name):
            raise InputError(
                f"expected one name for each category id, got {names[number]!r} and {str(name)!r} with the id "
                f"{number}: give one of them, and its annotations, another id"
            )
    return dict(sorted(names.items()))
