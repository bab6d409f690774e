import Formats
import Tensors

/// An indexed job of Kubernetes: one completion a shard. Ends with 75 and 143 (told to stop) and evictions are no failures, so such a pod is made again and
/// goes on; one that fails is made again three times. Everything is written to one volume that all pods share.
enum KubernetesManifest {
  static func text(of job: ClusterJob) -> String {
    let container = job.container ?? ClusterJob.Container(image: "halftone", claim: "halftone", mount: "/data")
    let quoted = { (text: String) in JSONWriter.compact(.string(text)) }
    let resources = "{cpu: \(quoted(String(job.threads))), memory: \(quoted("\(job.needs.mebibytes)Mi"))}"
    return """
      \(job.summary.map { "# \($0)" }.joined(separator: "\n"))
      apiVersion: batch/v1
      kind: Job
      metadata:
        name: \(quoted(job.name))
      spec:
        completionMode: Indexed
        completions: \(job.shards)
        parallelism: \(job.parallel ?? job.shards)
        backoffLimitPerIndex: 3
        podFailurePolicy:
          rules:
            - action: Ignore
              onExitCodes: {containerName: halftone, operator: In, values: [75, 143]}
            - action: Ignore
              onPodConditions: [{type: DisruptionTarget, status: "True"}]
        template:
          spec:
            restartPolicy: Never
            activeDeadlineSeconds: \(job.needs.seconds)
            terminationGracePeriodSeconds: 120
            securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000}
            containers:
              - name: halftone
                image: \(quoted(container.image))
                command:
      \(job.shardCommand.map { "            - \(quoted($0))" }.joined(separator: "\n"))
                resources: {requests: \(resources), limits: \(resources)}
                securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
                volumeMounts: [{name: run, mountPath: \(quoted(container.mount))}]
            volumes:
              - name: run
                persistentVolumeClaim: {claimName: \(quoted(container.claim))}

      """
  }
}
