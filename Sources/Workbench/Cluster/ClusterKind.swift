import Tensors

/// The schedulers that scripts and manifests are written for.
package enum ClusterKind: String, CaseIterable, Sendable {
  case slurm, kubernetes, local

  /// The file's text.
  package func text(of job: ClusterJob) -> String {
    switch self {
    case .slurm: SlurmScript.text(of: job)
    case .kubernetes: KubernetesManifest.text(of: job)
    case .local: LocalScript.text(of: job)
    }
  }

  /// What a file's name ends in: `run.slurm.sh`.
  package var suffix: String {
    switch self {
    case .slurm: ".slurm.sh"
    case .kubernetes: ".job.yaml"
    case .local: ".local.sh"
    }
  }

  /// The command that submits a file.
  func submission(of file: String) -> [String] {
    switch self {
    case .slurm: ["sbatch", file]
    case .kubernetes: ["kubectl", "apply", "-f", file]
    case .local: ["bash", file]
    }
  }
}
