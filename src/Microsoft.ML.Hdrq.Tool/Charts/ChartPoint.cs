namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>A point of a <see cref="ChartLine"/>.</summary>
/// <param name="X">The argument.</param>
/// <param name="Y">The value.</param>
/// <param name="Spread">
/// How far the error bar reaches above and below the value, such as a standard deviation; 0 for none.
/// </param>
internal readonly record struct ChartPoint(double X, double Y, double Spread = 0);
