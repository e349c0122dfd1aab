using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Says what a weight or bias of the merged network is to be.</summary>
/// <param name="parameter">The weight or bias, one of <see cref="MergeInput.Parameters"/>.</param>
/// <returns>
/// Its merged numbers, finite, as many as it has elements, in its own row-major order as in <see cref="MergeInput.Values"/>; null where it is to be merged as by <see cref="MergeMethod.Mean"/>.
/// </returns>
public delegate IReadOnlyList<double>? MergeRule(ParameterDefinition parameter);
