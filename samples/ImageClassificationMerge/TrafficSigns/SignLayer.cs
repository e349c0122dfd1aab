using SkiaSharp;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>One painted part of a sign.</summary>
/// <param name="Outline">SVG path data; the sign fills [-1, 1] in both directions, y points down.</param>
/// <param name="Colour">Its colour before weathering and light.</param>
/// <param name="Stroke">Width of the line, or 0 to fill the path.</param>
internal readonly record struct SignLayer(string Outline, SKColor Colour, float Stroke = 0);
