import Testing
import Workbench

@Suite struct RunIdentityTests {
  private let first = RunIdentity([
    "model": "sha256:aa", "seed": 1, "sampler": ["kind": "ddim", "eta": 0.0, "timesteps": [981, 961]],
  ])

  @Test func equalContentInAnyOrderIsTheSameRun() {
    let same = RunIdentity([
      "seed": 1, "sampler": ["timesteps": [981, 961], "eta": 0.0, "kind": "ddim"], "model": "sha256:aa",
    ])
    #expect(first.differences(inFolder: same).isEmpty)
  }

  @Test func everyDifferenceIsNamedWithBothValues() {
    let other = RunIdentity([
      "model": "sha256:aa", "seed": 2, "sampler": ["kind": "ddim", "eta": 1.0, "timesteps": [981]], "labels": [3],
    ])
    let differences = first.differences(inFolder: other)
    #expect(
      differences == [
        .init(key: "labels", found: "[3]", asked: nil),
        .init(key: "sampler.eta", found: "1.0", asked: "0.0"),
        .init(key: "sampler.timesteps", found: "[981]", asked: "[981, 961]"),
        .init(key: "seed", found: "2", asked: "1"),
      ])
    #expect(
      RunError.differs(folder: "outputs/a", differences: differences).message
        == """
        outputs/a holds another run:
          labels: [3] there, absent asked for
          sampler.eta: 1.0 there, 0.0 asked for
          sampler.timesteps: [981] there, [981, 961] asked for
          seed: 2 there, 1 asked for
        """)
  }
}
