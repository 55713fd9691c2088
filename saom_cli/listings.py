"""The JSON files that hold answers: a list of COCO results, lines of JSON, a whole COCO data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from saom_cli.answers import Entry, Listing


def listing_for(path: Path) -> Listing:
    """What `--json FILE` holds: of out.jsonl a line for each picture, else one list of all results."""
    return json_lines if path.suffix.lower() == ".jsonl" else coco_results


def coco_results(entries: Callable[[], Iterator[Entry]]) -> Iterator[str]:
    """One list of COCO results; each says which file it is of."""
    return _list(
        {"file_name": _file_name(entry), "image_id": image_id, **_told(entry), **result}
        for image_id, entry in entries()
        for result in entry["results"]
    )


def json_lines(entries: Callable[[], Iterator[Entry]]) -> Iterator[str]:
    """A line for each picture, those without objects too."""
    return (line_of(image_id, entry) for image_id, entry in entries())


def line_of(image_id: int, entry: dict[str, Any]) -> str:
    """The line of one picture: its name, its size, and its objects as COCO results."""
    height, width = entry["size"]
    head = {"file_name": _file_name(entry), "image_id": image_id, "height": height, "width": width, **_told(entry)}
    return json.dumps({**head, "objects": entry["results"]}) + "\n"


def coco_dataset(class_names: Sequence[str], model: str) -> Listing:
    """A whole COCO data set, as labelling tools and pycocotools open it.

    Args:
        class_names: of the model; category ids are their places. Objects without a name have the category `object`
            behind them.
        model: what made the answers.
    """
    categories = [{"id": k, "name": name, "supercategory": "object"} for k, name in enumerate(class_names)]
    categories.append({"id": len(class_names), "name": "object", "supercategory": "object"})

    def images(entries: Callable[[], Iterator[Entry]]) -> Iterator[dict[str, Any]]:
        for image_id, entry in entries():
            height, width = entry["size"]
            head = {"id": image_id, "file_name": entry["photo"], "height": height, "width": width}
            yield {**head, **_told(entry)}

    def annotations(entries: Callable[[], Iterator[Entry]]) -> Iterator[dict[str, Any]]:
        number = 0
        for image_id, entry in entries():
            for result in entry["results"]:
                number += 1
                category = result["category_id"] if result["category_id"] >= 0 else len(class_names)
                yield {"id": number, "image_id": image_id, **result, "category_id": category, "iscrowd": 0}

    def pieces(entries: Callable[[], Iterator[Entry]]) -> Iterator[str]:
        yield '{"info": ' + json.dumps({"description": f"found by {model}"}) + ',\n"categories": '
        yield json.dumps(categories) + ',\n"images": '
        yield from _list(images(entries))
        yield ',\n"annotations": '
        yield from _list(annotations(entries))
        yield "}\n"

    return pieces


def _list(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A JSON list, a row a line."""
    yield "["
    for k, row in enumerate(rows):
        yield ("\n" if k == 0 else ",\n") + json.dumps(row)
    yield "\n]\n"


def _file_name(entry: dict[str, Any]) -> str:
    return str(entry.get("file_name", entry["photo"]))


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    """What is known of a frame beside its objects."""
    return {"time_s": entry["time_s"]} if "time_s" in entry else {}
