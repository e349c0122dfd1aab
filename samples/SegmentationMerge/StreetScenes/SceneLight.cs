using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>A lamp that may be lit when it is dark.</summary>
/// <param name="Centre">In pixels.</param>
/// <param name="Radius">Of its halo, in pixels.</param>
/// <param name="Colour">Its colour.</param>
internal readonly record struct SceneLight(SKPoint Centre, float Radius, SKColor Colour);
