namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>The bars of one colour in a <see cref="GroupedBarChart"/>.</summary>
/// <param name="Name">The name in the legend.</param>
/// <param name="Values">One value per group; null leaves the bar's place empty.</param>
internal sealed record ChartBars(string Name, IReadOnlyList<double?> Values);
