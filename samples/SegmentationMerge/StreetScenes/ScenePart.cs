using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>A filled outline in a scene.</summary>
/// <param name="Class">What it belongs to.</param>
/// <param name="Outline">In pixels.</param>
/// <param name="Colour">By day, at its top.</param>
/// <param name="Lower">By day, at its bottom.</param>
/// <param name="Depth">How far away it is at a pixel, in metres.</param>
internal sealed record ScenePart(StreetClass Class, SKPath Outline, SKColor Colour, SKColor Lower, Func<float, float, float> Depth);
