"""More reference values for the U-Net family, from diffusers on PyTorch (CPU): small networks with random weights
that together turn every key of UNet2DModel's config.json.

    pip install torch diffusers safetensors numpy
    python make_golden_more.py OUTPUT_FOLDER

Writes per case a diffusers folder (config.json, diffusion_pytorch_model.safetensors) and io.npz with x (N C H W),
t (N), optional labels (N) and y (N C H W). Weights are rounded to the stored type (F16 or BF16) before y is computed
in float32, so that small files carry exact values.
"""
import json, os, sys
import numpy as np, torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

out = sys.argv[1]
torch.manual_seed(20)
D, A, R = "DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"
U, B, S = "UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"

CASES = {
    "one-level": dict(sample_size=7, in_channels=2, out_channels=1, layers_per_block=1, block_out_channels=(8,),
        down_block_types=(D,), up_block_types=(U,), norm_num_groups=4, attention_head_dim=4),
    "three-levels-relu": dict(sample_size=8, layers_per_block=2, block_out_channels=(6, 12, 6), norm_num_groups=3,
        down_block_types=(D, R, A), up_block_types=(B, S, U), act_fn="relu", attention_head_dim=3,
        mid_block_scale_factor=1.41421356, downsample_padding=1, norm_eps=1e-3),
    "four-levels-classes": dict(sample_size=(16, 8), in_channels=1, out_channels=1, layers_per_block=1,
        block_out_channels=(4, 8, 8, 12), norm_num_groups=4, down_block_types=(A, D, D, R), up_block_types=(S, U, B, U),
        time_embedding_dim=20, act_fn="gelu", attention_head_dim=4, num_class_embeds=5, downsample_padding=0),
    "attention-resnet-mish": dict(sample_size=8, layers_per_block=1, block_out_channels=(12, 18), norm_num_groups=6,
        down_block_types=(A, A), up_block_types=(B, B), downsample_type="resnet", upsample_type="resnet", act_fn="mish",
        attention_head_dim=6, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=9),
    "class-timestep-no-middle": dict(sample_size=4, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=8,
        down_block_types=(D, A), up_block_types=(B, U), class_embed_type="timestep", mid_block_type=None,
        flip_sin_to_cos=False, freq_shift=1, attention_head_dim=8),
    "fourier-classes": dict(sample_size=8, in_channels=2, out_channels=2, layers_per_block=1, block_out_channels=(8, 8),
        norm_num_groups=2, down_block_types=("UNetRes" + D, A), up_block_types=(B, "UNetRes" + U),
        time_embedding_type="fourier", num_class_embeds=3, attention_head_dim=2, mid_block_scale_factor=0.8,
        center_input_sample=True),
    "learned-time": dict(sample_size=4, layers_per_block=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=(D, D), up_block_types=(U, U), time_embedding_type="learned", num_train_timesteps=50,
        add_attention=False, act_fn="swish"),
    "odd-channels": dict(sample_size=(4, 6), in_channels=5, out_channels=3, layers_per_block=3,
        block_out_channels=(9, 15), norm_num_groups=3, down_block_types=(A, D), up_block_types=(U, B),
        attention_head_dim=3, downsample_padding=0, freq_shift=0.5, dropout=0.3),
    "one-head-scale-shift": dict(sample_size=(4, 8), layers_per_block=2, block_out_channels=(8, 12), norm_num_groups=4,
        down_block_types=(D, A), up_block_types=(B, U), attention_head_dim=None, resnet_time_scale_shift="scale_shift",
        act_fn="SiLU", mid_block_scale_factor=2),
    "older-names": dict(sample_size=4, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=8,
        down_block_types=(A, A), up_block_types=(B, B), attention_head_dim=8),
    "mixed-resampling": dict(sample_size=8, out_channels=6, layers_per_block=1, block_out_channels=(8, 8, 16),
        norm_num_groups=4, down_block_types=(R, A, A), up_block_types=(B, B, S), downsample_type="resnet",
        upsample_type="conv", attention_head_dim=4),
    "groups-equal-channels": dict(sample_size=2, layers_per_block=1, block_out_channels=(6, 6), norm_num_groups=6,
        down_block_types=(D, A), up_block_types=(B, U), attention_head_dim=1, attn_norm_num_groups=1, act_fn="relu",
        resnet_time_scale_shift="scale_shift", time_embedding_dim=7),
}
for name, cfg in CASES.items():
    model = UNet2DModel(**cfg).eval()
    stored = torch.bfloat16 if name == "older-names" else torch.float16
    with torch.no_grad():
        for key, p in model.named_parameters():          # spread values so that every branch matters
            if p.ndim == 1 and "norm" in key and key.endswith("weight"): p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.ndim == 1 and "time_proj" not in key: p.copy_(0.1 * torch.randn_like(p))
            elif "time_proj" in key: p.copy_(torch.randn_like(p))
            p.copy_(p.to(stored).float())
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    model.save_config(folder)
    state = {k: v.to(stored).contiguous() for k, v in model.state_dict().items()}
    if name == "older-names":
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        renamed = {}
        for k, v in state.items():
            for new, before in old.items():
                if f".{new}." in k:
                    k = k.replace(f".{new}.", f".{before}.")
                    if v.ndim == 2: v = v[:, :, None, None].contiguous()
            renamed[k] = v
        state = renamed
    save_file(state, os.path.join(folder, "diffusion_pytorch_model.safetensors"))
    size = cfg["sample_size"]
    h, w = (size, size) if isinstance(size, int) else size
    x = torch.randn(2, cfg.get("in_channels", 3), h, w)
    t = {"fourier": torch.tensor([0.3, 41.0]), "learned": torch.tensor([0, 49])}.get(
        cfg.get("time_embedding_type"), torch.tensor([3, 981]))
    io = dict(x=x.numpy(), t=t.numpy())
    kw = {}
    if "num_class_embeds" in cfg or cfg.get("class_embed_type"):
        labels = torch.tensor([0, cfg.get("num_class_embeds", 600) - 1])
        kw = dict(class_labels=labels)
        io["labels"] = labels.numpy()
    with torch.no_grad(): io["y"] = model(x, t, **kw).sample.numpy()
    assert np.isfinite(io["y"]).all(), name
    np.savez(os.path.join(folder, "io.npz"), **io)
import diffusers; print("diffusers", diffusers.__version__, "torch", torch.__version__)
