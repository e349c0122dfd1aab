using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts people into a scene.</summary>
internal static class PedestrianPainter
{
    private static readonly SKColor[] _clothes = [new(186, 40, 44), new(36, 66, 140), new(40, 40, 46), new(222, 216, 204), new(226, 170, 50), new(90, 60, 110), new(70, 110, 90)];

    /// <summary>Adds one person.</summary>
    public static void Add(StreetScene scene, float right, float away, Random random)
    {
        var camera = scene.Camera;
        var size = random.Uniform(1.45, 1.9) / 1.75f;
        var stride = random.Uniform(0.05, 0.28);
        var (trousers, coat, skin) = (Tints.Of(random, _clothes), Tints.Of(random, _clothes), Tints.Lit(new SKColor(222, 172, 140), random.Uniform(0.45, 1.1)));
        SKPoint At(float x, float y) => camera.Project(right + x * size, y * size, away);

        foreach (var side in new[] { -1, 1 })
            scene.Add(StreetClass.Pedestrian, away, trousers, path => path.AddPoly([At(side * stride - 0.09f, 0), At(-0.12f, 0.85f), At(0.12f, 0.85f), At(side * stride + 0.09f, 0)]));
        scene.Add(StreetClass.Pedestrian, away, coat, path => path.AddPoly([At(-0.22f, 0.75f), At(-0.26f, 1.4f), At(-0.1f, 1.5f), At(0.1f, 1.5f), At(0.26f, 1.4f), At(0.22f, 0.75f)]));
        scene.AddOval(StreetClass.Pedestrian, right, 1.62f * size, 0.12f * size, 0.14f * size, away, skin);
    }
}
