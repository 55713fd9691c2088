"""Work on rows some at a time: bounds memory, changes no result; in an exported file a loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan


def in_chunks(function: Callable[[Tensor], tuple[Tensor, ...]], rows: Tensor, at_once: int) -> tuple[Tensor, ...]:
    """`function(rows)`, some rows at a time; in an exported file one ONNX Scan.

    In an exported loop `function` may not make tensors of Python numbers (`torch.tensor(1.0)`): torch cannot export
    them there.

    Args:
        function: (P, ...) -> tensors of P rows.
        rows: (N, ...), N at least 1.
        at_once: P; the last chunk is filled up with copies of the last row. 0: all.
    """
    if at_once == 0 or len(rows) <= at_once:
        return function(rows)
    count = -(-len(rows) // at_once)
    missing = count * at_once - len(rows)
    chunks = torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]).unflatten(0, (count, at_once))
    if torch.compiler.is_exporting():
        nothing = torch.zeros(1)  # torch's scan needs a value that it carries from chunk to chunk
        _, results = scan(lambda carry, chunk: (carry.clone(), function(chunk)), nothing, chunks)
    else:
        results = [torch.stack(parts) for parts in zip(*map(function, chunks), strict=True)]
    return tuple(result.flatten(0, 1)[: len(rows)] for result in results)
