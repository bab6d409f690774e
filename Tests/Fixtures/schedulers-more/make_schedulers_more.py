"""More reference trajectories of diffusers' DDPM and DDIM schedulers (0.42.1, PyTorch CPU, float32).

    pip install torch diffusers numpy
    python make_schedulers_more.py OUTPUT_FOLDER             the cases below: cases.json and schedulers.npz
    python make_schedulers_more.py OUTPUT_FOLDER --random N   N cases drawn at random instead

cases.json holds, for each case, a scheduler_config.json as diffusers saves it, the number of steps, and the arguments of
DDIM's step. schedulers.npz holds x_T, noise[i] (drawn at step i), and for each case NAME/timesteps and NAME/x (the state
after every step), driven by

    epsilon(x, t) = 0.3 x + 0.1 sin(t / 50)       second half, when the variance is learned: 0.25 x (learned_range)
                                                  or 0.01 + 0.05 x^2 (learned)
"""
import json, os, random, sys
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
import diffusers.schedulers.scheduling_ddpm as ddpm_module

LINEAR = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
LATENT = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
COSINE = dict(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")
TRAINED = dict(num_train_timesteps=60, trained_betas=[round(0.002 + 0.0015 * i + 0.00002 * i * i, 6) for i in range(60)])
SHORT = dict(num_train_timesteps=24, beta_start=0.003, beta_end=0.25, beta_schedule="linear")


def ddim(steps, eta=0.0, recompute=False, **config):
    return dict(kind="ddim", steps=steps, eta=eta, recompute=recompute, config=config)


def ddpm(steps, **config):
    return dict(kind="ddpm", steps=steps, eta=0.0, recompute=False, config=config)


CASES = {
    "ddim/one-step": ddim(1, **LINEAR),
    "ddim/one-step-trailing": ddim(1, timestep_spacing="trailing", clip_sample=False, **LATENT),
    "ddim/one-step-linspace": ddim(1, eta=0.5, timestep_spacing="linspace", **LINEAR),
    "ddim/every-step": ddim(24, eta=1.0, clip_sample=False, **SHORT),
    "ddim/every-step-trailing": ddim(24, eta=0.3, timestep_spacing="trailing", **SHORT),
    "ddim/seven-offset": ddim(7, steps_offset=1, set_alpha_to_one=False, eta=1.0, **LATENT),
    "ddim/seven-trailing": ddim(7, timestep_spacing="trailing", clip_sample_range=1.5, **LINEAR),
    "ddim/seven-linspace-v": ddim(7, timestep_spacing="linspace", prediction_type="v_prediction", eta=0.6, **LATENT),
    "ddim/thirty-leading": ddim(30, eta=1.0, **LINEAR),
    "ddim/linspace-sample": ddim(9, timestep_spacing="linspace", prediction_type="sample", eta=0.4, clip_sample=False, **LINEAR),
    "ddim/trailing-sample": ddim(8, timestep_spacing="trailing", prediction_type="sample", clip_sample_range=0.6, **LATENT),
    "ddim/cosine": ddim(10, clip_sample_range=2.0, **COSINE),
    "ddim/cosine-v-trailing": ddim(10, timestep_spacing="trailing", prediction_type="v_prediction", clip_sample=False, **COSINE),
    "ddim/trained-betas": ddim(12, eta=0.8, **TRAINED),
    "ddim/recompute": ddim(10, recompute=True, **LINEAR),
    "ddim/recompute-v": ddim(10, eta=0.5, recompute=True, prediction_type="v_prediction", **LATENT),
    "ddim/thresholding": ddim(10, thresholding=True, dynamic_thresholding_ratio=0.7, sample_max_value=3.0, clip_sample=False, **LINEAR),
    "ddim/thresholding-below-one": ddim(6, eta=1.0, thresholding=True, sample_max_value=0.5, **LINEAR),
    "ddim/zero-snr-v": ddim(10, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction", clip_sample=False, **LATENT),
    "ddim/zero-snr-sample": ddim(5, rescale_betas_zero_snr=True, timestep_spacing="linspace", prediction_type="sample", eta=1.0, **LINEAR),
    "ddpm/one-step": ddpm(1, **LINEAR),
    "ddpm/every-step": ddpm(24, clip_sample=False, **SHORT),
    "ddpm/every-step-large": ddpm(24, variance_type="fixed_large", **SHORT),
    "ddpm/seven-offset-large": ddpm(7, steps_offset=1, variance_type="fixed_large", **LATENT),
    "ddpm/trailing-large": ddpm(7, timestep_spacing="trailing", variance_type="fixed_large", **LINEAR),
    "ddpm/trailing-small": ddpm(7, timestep_spacing="trailing", **LINEAR),
    "ddpm/linspace-v": ddpm(11, timestep_spacing="linspace", prediction_type="v_prediction", clip_sample=False, **LATENT),
    "ddpm/sample": ddpm(13, prediction_type="sample", clip_sample_range=0.8, **LINEAR),
    "ddpm/learned-range": ddpm(20, variance_type="learned_range", **LINEAR),
    "ddpm/learned-range-trailing": ddpm(9, timestep_spacing="trailing", variance_type="learned_range", **COSINE),
    "ddpm/learned": ddpm(20, variance_type="learned", **LINEAR),
    "ddpm/thresholding": ddpm(10, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0, **LINEAR),
    "ddpm/trained-betas": ddpm(15, variance_type="fixed_small_log", **TRAINED),
    "ddpm/zero-snr-v": ddpm(10, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction", **LATENT),
    "ddpm/sigmoid": ddpm(30, variance_type="fixed_large", num_train_timesteps=500, beta_start=2e-4, beta_end=0.03, beta_schedule="sigmoid"),
}


def drawn(count):
    """Cases drawn at random (seed 1): every key varies."""
    random.seed(1)
    cases = {}
    while len(cases) < count:
        kind = random.choice(["ddim", "ddpm"])
        base = dict(random.choice([LINEAR, LATENT, COSINE, TRAINED, SHORT, dict(LINEAR, num_train_timesteps=400), dict(LATENT, num_train_timesteps=37, beta_end=0.1)]))
        total = base["num_train_timesteps"]
        config = dict(base, timestep_spacing=random.choice(["leading", "trailing", "linspace"]),
                      prediction_type=random.choice(["epsilon", "sample", "v_prediction"]),
                      clip_sample=random.random() < 0.6, clip_sample_range=random.choice([1.0, 0.7, 2.0]),
                      thresholding=random.random() < 0.2, dynamic_thresholding_ratio=random.choice([0.995, 0.7, 0.5]),
                      sample_max_value=random.choice([1.0, 1.7, 4.0]), steps_offset=random.choice([0, 0, 1]))
        if config["prediction_type"] != "epsilon" and random.random() < 0.3: config["rescale_betas_zero_snr"] = True
        steps = random.choice([1, 2, 3, 5, 7, 10, 13, 20, 30, 36])
        if steps > total: continue
        if config["timestep_spacing"] == "trailing" and len(np.arange(total, 0, -total / steps)) != steps: continue
        if config["timestep_spacing"] == "leading" and (steps - 1) * (total // steps) + config["steps_offset"] >= total: continue
        if kind == "ddim":
            config["set_alpha_to_one"] = random.random() < 0.6
            case = ddim(steps, eta=random.choice([0.0, 0.3, 1.0]), recompute=random.random() < 0.3, **config)
        else:
            case = ddpm(steps, variance_type=random.choice(["fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"]), **config)
        cases[f"random/{len(cases)}"] = case
    return cases


def network(x, t, variance_type):
    value = 0.3 * x + 0.1 * float(np.sin(float(t) / 50.0))
    if variance_type == "learned_range": return torch.cat([value, 0.25 * x], dim=1)
    if variance_type == "learned": return torch.cat([value, 0.01 + 0.05 * x * x], dim=1)
    return value


def trajectory(case, x, noise):
    scheduler = (DDIMScheduler if case["kind"] == "ddim" else DDPMScheduler)(**case["config"])
    scheduler.set_timesteps(case["steps"])
    states = []
    for i, t in enumerate(scheduler.timesteps):
        output = network(x, t, case["config"].get("variance_type"))
        if case["kind"] == "ddim":
            x = scheduler.step(output, t, x, eta=case["eta"], use_clipped_model_output=case["recompute"],
                               variance_noise=noise[i] if case["eta"] > 0 else None).prev_sample
        else:
            original = ddpm_module.randn_tensor
            ddpm_module.randn_tensor = lambda *a, **k: noise[i]
            try: x = scheduler.step(output, t, x).prev_sample
            finally: ddpm_module.randn_tensor = original
        states.append(x.numpy().copy())
    # As save_config writes it, so that the file is read as a user's file would be.
    return json.loads(scheduler.to_json_string()), scheduler.timesteps.numpy(), np.stack(states)


out = sys.argv[1]
cases = drawn(int(sys.argv[3])) if len(sys.argv) > 3 else CASES
generator = torch.Generator().manual_seed(7)
x_T = torch.randn(2, 1, 3, 5, generator=generator)
noise = torch.randn(36, 2, 1, 3, 5, generator=generator)
arrays = {"x_T": x_T.numpy(), "noise": noise.numpy()}
listed = []
for name, case in cases.items():
    config, timesteps, states = trajectory(case, x_T.clone(), noise)
    if not np.isfinite(states).all():
        print("left out, not finite in the reference:", name); continue
    arrays[name + "/timesteps"], arrays[name + "/x"] = timesteps, states
    listed.append(dict(name=name, steps=case["steps"], eta=case["eta"], recompute_epsilon=case["recompute"], config=config))
np.savez_compressed(os.path.join(out, "schedulers.npz"), **arrays)
with open(os.path.join(out, "cases.json"), "w") as file: json.dump(listed, file, indent=1)
