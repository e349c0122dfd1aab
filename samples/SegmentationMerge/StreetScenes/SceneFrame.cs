using Hdrq.Samples.Drawing;

namespace SegmentationMerge.StreetScenes;

/// <summary>A scene as it is seen by day.</summary>
/// <param name="Image">The colours.</param>
/// <param name="Classes">The class in the middle of every pixel, row after row.</param>
/// <param name="Depths">How far away that is, in metres.</param>
/// <param name="Lights">The lamps.</param>
internal sealed record SceneFrame(RgbImage Image, byte[] Classes, float[] Depths, IReadOnlyList<SceneLight> Lights);
