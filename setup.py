"""Which folders are installed under which names; everything else stands in pyproject.toml.

The folder `training/` is installed as the package `saom_training`: one called `training` would take that name from
everybody else's Python.
"""

from tempfile import TemporaryDirectory

from setuptools import find_packages, setup

# setuptools packs whatever an earlier build has left in build/lib, such as modules that were renamed since
with TemporaryDirectory() as build_base:
    setup(
        package_dir={"saom_training": "training", "saom_cli.msg": "msg"},
        packages=[
            *find_packages(include=["saom_core*", "saom_cli*", "saom_ros*"]),
            "saom_cli.msg",  # the definitions of our messages, which `saom replay` writes without ROS
            "saom_training",
            *(f"saom_training.{name}" for name in find_packages("training")),
        ],
        options={"build": {"build_base": build_base}},
    )
