import Diffusion

extension Graph {
  /// The conditioning that a call of the network brings.
  package var conditioning: ConditioningForm {
    var form = ConditioningForm.unconditional
    for input in inputs {
      switch (input.meaning, input.shape) {
      case (.label(let classes), _): form.classes = classes
      case (.context, .tokens(let count, let width)):
        form = ConditioningForm(classes: form.classes, context: (count, width), vectors: form.vectors)
      case (.vector, let shape): form.vectors[input.name] = shape.count
      case (.sample, _), (.timestep, _), (.context, _): break
      }
    }
    return form
  }
}
