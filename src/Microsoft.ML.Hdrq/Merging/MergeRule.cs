using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Computes a weight or bias of the merged network.</summary>
/// <param name="parameter">The weight or bias, one of <see cref="MergeInput.Parameters"/>.</param>
/// <returns>
/// The merged values: one finite value for each element, in the parameter's own row-major order as in
/// <see cref="MergeInput.Values"/>; null to merge the parameter as by <see cref="MergeMethod.Mean"/>.
/// </returns>
public delegate IReadOnlyList<double>? MergeRule(ParameterDefinition parameter);
