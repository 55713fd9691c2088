"""The encoder's pieces against segment-anything's forward."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from saom_core.sam import encoder as sam_encoder  # noqa: E402
from saom_core.sam.network import build_sam  # noqa: E402
from saom_training.benches.sam_stand_in import SMALL  # noqa: E402


@pytest.mark.parametrize("global_blocks", [(), (1,), (0, 1)])
@pytest.mark.parametrize("score_bytes", [1, 4 * 64 * 24, 2**20])
def test_same_embedding(monkeypatch: pytest.MonkeyPatch, global_blocks: tuple[int, ...], score_bytes: int) -> None:
    torch.manual_seed(0)
    encoder = build_sam(dataclasses.replace(SMALL, global_blocks=global_blocks)).image_encoder
    monkeypatch.setitem(sam_encoder._SCORE_BYTES, "cpu", score_bytes)  # rows of scores at once: 1, 24, all
    with torch.inference_mode():
        for block in encoder.blocks:  # zeros as built: the bias would prove nothing
            block.attn.rel_pos_h.normal_()
            block.attn.rel_pos_w.normal_()
        pixels = torch.randn(1, 3, SMALL.image_size, SMALL.image_size)
        torch.testing.assert_close(sam_encoder.encode(encoder, pixels), encoder(pixels), atol=1e-5, rtol=1e-4)
