"""What the `saom` command and the node say where a package is missing; so nothing is imported here."""

from __future__ import annotations

_PACKAGES = {
    "cv2": "OpenCV: pip install opencv-python-headless, or opencv-python, which opens windows too",
    "onnxruntime": "onnxruntime: pip install onnxruntime, or onnxruntime-gpu for CUDA and TensorRT",
    "numpy": "numpy: pip install numpy",
    "scipy": "scipy: pip install scipy",
    "OpenEXR": "OpenEXR: pip install OpenEXR",
    "tqdm": "tqdm: pip install tqdm",
    "shtab": "shtab: pip install shtab",
    "rosbags": "rosbags: pip install rosbags",
    "rerun": "Rerun: pip install rerun-sdk",
    "rclpy": "ROS 2 for this version of Python: source it first, as with `source /opt/ros/jazzy/setup.bash`",
    "saom_ros": "the messages of saom_ros: build it with colcon, then run `source install/setup.bash`",
}
"""What a command needs that is not among the training packages, and how to get it."""
_OWN = ("saom_core", "saom_cli", "saom_ros", "saom_training", "training")


def missing_package(error: ImportError) -> str:
    """What to say of a package that is not there, or that cannot be loaded."""
    line = " ".join(str(error).split())[:300]
    package = (error.name or "").partition(".")[0]
    if package in _OWN and not isinstance(error, ModuleNotFoundError):
        return f"cannot be loaded: {line}: reinstall it"
    if isinstance(error, ModuleNotFoundError):
        if package in _PACKAGES:
            return f"needs {_PACKAGES[package]}"
        return f"needs the package {error.name}: run pip install '.[train]' in a checkout of the repository"
    if "libGL" in str(error) or "libgthread" in str(error):
        return (
            f"OpenCV cannot be loaded ({line}): on a machine without a screen replace opencv-python by "
            "opencv-python-headless, or run apt-get install libgl1 libglib2.0-0"
        )
    return f"a package cannot be loaded: {line}: reinstall {package or 'it'}"
