using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts lamp posts into a scene.</summary>
internal static class PolePainter
{
    /// <summary>Adds a post whose arm reaches towards the middle of the road.</summary>
    public static void Add(StreetScene scene, float right, float away, Random random)
    {
        var (height, width) = (random.Uniform(4, 7), random.Uniform(0.16, 0.26));
        var arm = -Math.Sign(right) * random.Uniform(0.8, 1.6);
        var metal = Tints.Muted(random, 70, 170, tint: 4);
        scene.AddBox(StreetClass.Pole, right - width / 2, 0, width, height, away, metal);
        scene.AddBox(StreetClass.Pole, Math.Min(right, right + arm), height - 0.15f, Math.Abs(arm), 0.18f, away, metal);
        scene.Lights.Add(new(scene.Camera.Project(right + arm, height - 0.2f, away), 0.6f * scene.Camera.Focal / away, new SKColor(255, 206, 130)));
    }
}
