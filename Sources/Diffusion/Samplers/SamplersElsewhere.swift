/// Samplers of other programs that are not offered, by the names that those give them: a file that asks for one is told so, and
/// what there is.
enum SamplersElsewhere {
  private static let all: [(names: [String], what: String)] = [
    (["pndm", "pndm_scheduler"], "PNDM with skip_prk_steps is plms here; its Runge-Kutta start is not offered"),
    (["lms", "lms_discrete", "k_lms"], "linear multistep in noise levels is not offered"),
    (["deis", "deis_multistep"], "DEIS is not offered"),
    (
      ["dpmpp_2s", "dpm_solver_singlestep", "dpmpp_sde", "dpm_fast", "dpm_adaptive"],
      "single-step DPM-Solvers are not offered; dpmpp is the multistep one"
    ),
    (["dpmpp_2m", "dpm_solver", "dpm_solver_multistep", "dpmsolver++"], "the multistep DPM-Solver is dpmpp here"),
    (["dpmpp_2m_sde"], "it is dpmpp here, with algorithm_type sde-dpmsolver++"),
    (["tcd"], "trajectory consistency is not offered"),
    (
      ["kdpm2", "kdpm2_ancestral", "k_dpm_2", "dpm2", "dpm2_a"],
      "the second-order solvers of k-diffusion are not offered but heun"
    ),
    (["euler_a"], "it is euler_ancestral here"),
    (["sa_solver", "ipndm", "edm", "edm_euler", "consistency"], "it is not offered"),
  ]

  /// What is said of a name; nil for one that nobody uses.
  static func explanation(of name: String) -> String? {
    let key = name.lowercased().replacing("-", with: "_")
    return all.first { $0.names.contains(key) }?.what
  }
}
