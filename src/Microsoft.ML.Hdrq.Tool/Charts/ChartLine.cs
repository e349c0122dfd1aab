namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>A line of a <see cref="LineChart"/>.</summary>
/// <param name="Name">The name in the legend.</param>
/// <param name="Points">The points; they are joined in this order.</param>
internal sealed record ChartLine(string Name, IReadOnlyList<ChartPoint> Points);
