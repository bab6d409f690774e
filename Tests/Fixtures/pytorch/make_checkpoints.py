"""Writes small PyTorch checkpoints, and their tensors as an .npz, for the reader of state dicts.

  pip install numpy torch
  python3 make_checkpoints.py

state.pth: torch.save of a map of tensors of several types: plain, a scalar, empty, transposed, a slice of a shared storage, inside
a map, a parameter, and values that are no tensors. module.pth: a module's state dict with batch normalisation. legacy.pth: the
format before PyTorch 1.6. state.npz: the tensors of state.pth in row-major order.
"""

from collections import OrderedDict

import numpy as np
import torch


def values(*shape, dtype=torch.float32):
    count = int(np.prod(shape))
    return (torch.arange(count, dtype=torch.float64) * 0.75 - 3).reshape(shape).to(dtype)


def main():
    shared = values(4, 6)
    state = OrderedDict(
        weight=values(3, 2, 2, 2), half=values(5, dtype=torch.float16), count=torch.tensor(7), wide=values(2, dtype=torch.float64),
        brain=values(3, dtype=torch.bfloat16), flags=torch.tensor([True, False, True]), levels=values(4, dtype=torch.uint8).abs(),
        empty=torch.zeros(0, 3), transposed=values(3, 4).T, whole=shared, part=shared[1:3, 2:5],
        last=values(2, 3, 4, 5).to(memory_format=torch.channels_last), parameter=torch.nn.Parameter(values(2, 2)),
        inner={"bias": values(2)}, epoch=3, note="text", rate=0.5, list=[1, 2])
    torch.save(state, "state.pth")
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1, bias=False), torch.nn.BatchNorm2d(3)).state_dict(), "module.pth")
    torch.save({"a": values(2)}, "legacy.pth", _use_new_zipfile_serialization=False)
    arrays = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)} | {"inner.bias": state["inner"]["bias"]}
    # numpy has no bfloat16; every one is a float32.
    arrays = {k: v.detach().float() if v.dtype == torch.bfloat16 else v.detach() for k, v in arrays.items()}
    np.savez_compressed("state.npz", **{k: np.array(v.numpy(), order="C") for k, v in arrays.items()})


torch.manual_seed(0)
main()
