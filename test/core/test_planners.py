"""Each adapter, decoded as its planner does it."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_core.planners import binary_mask, indices_in, object_cloud, paired_segmap, scene_cloud

SIZE = (30, 40)
CAMERA = CameraIntrinsics(50.0, 52.0, 19.5, 14.5, SIZE[1], SIZE[0])
TABLE, MUG = 0, 1


def scene() -> tuple[Instances, np.ndarray, np.ndarray]:
    """A table with a mug in front of it, depth with holes of all kinds, and a picture."""
    rng = np.random.default_rng(0)
    table, mug = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    table[10:30], mug[8:20, 15:25] = True, True
    depth = rng.uniform(0.5, 1.0, SIZE).astype(np.float32)
    depth[12, 16:20] = 0.0, np.nan, np.inf, -1.0
    masks = [MaskCrop.from_dense(table), MaskCrop.from_dense(mug)]
    scores, classes = np.array([0.9, 0.8], np.float32), np.array([-1, 54], np.int32)
    found = Instances.from_masks(SIZE, masks, scores, class_ids=classes, class_names=["", "Mug"])
    return found, depth, rng.integers(0, 256, (*SIZE, 3), np.uint8)


def naive_points(wanted: np.ndarray, depth: np.ndarray) -> list[tuple[float, float, float]]:
    return [
        ((x - CAMERA.cx) / CAMERA.fx * z, (y - CAMERA.cy) / CAMERA.fy * z, z)
        for y in range(SIZE[0])
        for x in range(SIZE[1])
        if wanted[y, x] and np.isfinite(z := float(depth[y, x])) and z > 0
    ]


def test_foundation_pose_and_gqcnn_read_a_binary_mask() -> None:
    """FoundationPose takes what is above 0, in the size of the depth image; GQ-CNN's BinaryImage what is 255."""
    found, depth, _ = scene()
    mask = binary_mask(found, TABLE)
    assert mask.shape == depth.shape and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    expected = found.masks[TABLE].dense(SIZE) & ~found.masks[MUG].dense(SIZE)
    np.testing.assert_array_equal(mask > 0, expected)
    np.testing.assert_array_equal(mask == 255, expected)
    with pytest.raises(InputError, match="from 0 to 1, got 2"):
        binary_mask(found, 2)


def test_contact_graspnet_reads_a_label_map_and_its_wrapper_paired_ids() -> None:
    """contact_graspnet looks at segmap == id for every id above 0; its ROS wrapper takes the ids apart again."""

    def depaired(number: int) -> tuple[int, int]:  # by counting, instead of Cantor's inverse
        for total in range(1000):
            for second in range(total + 1):
                if number == sum(range(total + 1)) + second:
                    return total - second, second
        raise AssertionError(number)

    found, _, _ = scene()
    segmap, labels = paired_segmap(found), found.label_image()
    assert segmap.dtype == np.uint16 and segmap.shape == SIZE
    ids = [int(number) for number in np.unique(segmap) if number > 0]
    assert {depaired(number) for number in ids} == {(0, TABLE + 1), (55, MUG + 1)}
    for number in ids:
        np.testing.assert_array_equal(segmap == number, labels == depaired(number)[1])
    assert not paired_segmap(Instances.empty(SIZE)).any()
    many = [MaskCrop(0, 0, np.ones((1, 1), bool))] * 400
    with pytest.raises(InputError, match="fewer instances"):
        paired_segmap(Instances.from_masks(SIZE, many, np.ones(400, np.float32)))


def test_anygrasp_reads_points_and_colours() -> None:
    """AnyGrasp's get_grasp takes points (N, 3) float32 in metres and colours (N, 3) float32 from 0 to 1."""
    found, depth, image = scene()
    cloud = object_cloud(found, MUG, depth, CAMERA, image)
    points, colors = cloud.points_m, (cloud.colors_rgb / 255).astype(np.float32)
    assert points.dtype == np.float32 and points.shape == colors.shape and np.isfinite(points).all()
    np.testing.assert_allclose(points, naive_points(found.masks[MUG].dense(SIZE), depth), rtol=1e-5)
    rows, columns = np.divmod(cloud.pixels, SIZE[1])
    np.testing.assert_allclose(colors, image[rows, columns] / 255, atol=1e-6)


def test_a_camera_may_be_its_matrix() -> None:
    _, depth, image = scene()
    k = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    np.testing.assert_array_equal(scene_cloud(depth, k, image).points_m, scene_cloud(depth, CAMERA, image).points_m)


def test_gpd_reads_a_cloud_and_the_indices_of_an_object_in_it() -> None:
    found, depth, image = scene()
    whole, table = scene_cloud(depth, CAMERA, image), object_cloud(found, TABLE, depth, CAMERA, image)
    assert len(whole) == len(naive_points(np.ones(SIZE, bool), depth)) == depth.size - 4
    indices = indices_in(whole, table)
    only_table = found.masks[TABLE].dense(SIZE) & ~found.masks[MUG].dense(SIZE)
    np.testing.assert_allclose(whole.points_m[indices], naive_points(only_table, depth), rtol=1e-5)
    assert len(indices_in(whole, object_cloud(found, MUG, np.zeros(SIZE, np.float32), CAMERA, image))) == 0


def test_pictures_of_another_size_are_refused() -> None:
    found, depth, image = scene()
    with pytest.raises(InputError, match="of the camera's size"):
        object_cloud(found, MUG, depth[:-1], CAMERA, image)


def test_millimetres_are_no_metres() -> None:
    found, _, image = scene()
    with pytest.raises(InputError, match="divide millimetres by 1000"):
        object_cloud(found, MUG, np.full(SIZE, 800, np.uint16), CAMERA, image)  # type: ignore[arg-type]
