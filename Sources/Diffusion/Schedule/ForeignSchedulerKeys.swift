/// Keys of diffusers' schedulers that nothing here uses. They are noted like any other unused key; standing here keeps one
/// from being taken for a misspelt key that is used.
enum ForeignSchedulerKeys {
  static let names: Set<String> = [
    // Of other solvers: which equations they solve, and how.
    "algorithm_type", "corrector_order", "disable_corrector", "euler_at_final", "eta", "final_sigmas_type",
    "flow_shift",
    "interpolation_type", "invert_sigmas", "lambda_min_clipped", "lower_order_final", "noise_sampler_seed",
    "original_inference_steps", "predict_x0", "predictor_order", "s_churn", "s_noise", "s_tmax", "s_tmin",
    "skip_prk_steps", "solver_order", "solver_p", "solver_type", "tau_func", "timestep_scaling", "use_beta_sigmas",
    "use_exponential_sigmas", "use_flow_sigmas", "use_karras_sigmas", "use_lu_lambdas",
    // Of schedules in noise levels.
    "rho", "sigma_data", "sigma_max", "sigma_min", "sigma_schedule", "timestep_type",
    // Of the first versions.
    "clip_alphas_at_one", "clip_predicted_image", "tensor_format", "timestep_values", "timesteps",
    "variance_schedule",
  ]
}
