using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts sky, road and pavement into a scene.</summary>
internal static class GroundPainter
{
    private const float Near = 1;
    private const float Far = 400;

    /// <summary>Covers the whole image.</summary>
    /// <param name="scene">The scene.</param>
    /// <param name="street">Its measures.</param>
    /// <param name="random">Decides the colours, clouds and lines.</param>
    public static void Add(StreetScene scene, StreetPlan street, Random random)
    {
        var camera = scene.Camera;
        AddSky(scene, random);
        var paving = Tints.Muted(random, 135, 195);
        scene.Add(StreetClass.Pavement, (_, y) => camera.Ground(y), Tints.Lit(paving, 0.9), paving,
            path => path.AddRect(new SKRect(-StreetRenderer.Width, camera.Vanishing.Y, 2 * StreetRenderer.Width, StreetRenderer.Height)));
        var asphalt = Tints.Muted(random, 70, 125, tint: 5);
        AddStrip(scene, StreetClass.Road, -street.RoadHalf, street.RoadHalf, Near, Far, asphalt);
        // The kerb is paving in shadow, one of the few things that tell where the road ends.
        AddStrip(scene, StreetClass.Pavement, -street.RoadHalf - 0.15f, -street.RoadHalf, Near, Far, Tints.Lit(paving, 0.6));
        AddStrip(scene, StreetClass.Pavement, street.RoadHalf, street.RoadHalf + 0.15f, Near, Far, Tints.Lit(paving, 0.6));
        AddLines(scene, street, random);
    }

    private static void AddSky(StreetScene scene, Random random)
    {
        var bottom = scene.Camera.Vanishing.Y;
        var blue = random.Chance(0.65);
        var top = blue ? new SKColor((byte)random.Next(85, 150), (byte)random.Next(145, 190), (byte)random.Next(210, 245)) : Tints.Muted(random, 165, 225, tint: 4);
        scene.Add(StreetClass.Sky, (_, _) => float.PositiveInfinity, top, Tints.Muted(random, 215, 245, tint: 4), path => path.AddRect(new SKRect(0, 0, StreetRenderer.Width, bottom + 1)));
        for (var cloud = random.Next(0, 7); cloud > 0; cloud--)
        {
            var (x, y, size) = (random.Uniform(0, StreetRenderer.Width), random.Uniform(-4, bottom), random.Uniform(3, 11));
            var white = Tints.Muted(random, 205, 250, tint: 3);
            scene.Add(StreetClass.Sky, float.PositiveInfinity, white, path => path.AddOval(new SKRect(x - size, y - 0.25f * size, x + size, y + 0.25f * size)));
        }
    }

    private static void AddLines(StreetScene scene, StreetPlan street, Random random)
    {
        var paint = Tints.Muted(random, 195, 240, tint: 4);
        if (random.Chance(0.75))
        {
            for (var away = random.Uniform(3, 7); away < 60; away += 7)
                AddStrip(scene, StreetClass.Road, -0.08f, 0.08f, away, away + 3, paint);
        }
        if (random.Chance(0.3))
        {
            var away = random.Uniform(6, 16);
            for (var right = -street.RoadHalf + 0.4f; right < street.RoadHalf - 0.5f; right += 1)
                AddStrip(scene, StreetClass.Road, right, right + 0.5f, away, away + 3, paint);
        }
        // Patches of newer asphalt.
        for (var patch = random.Next(0, 4); patch > 0; patch--)
        {
            var (right, away) = (random.Uniform(-street.RoadHalf, street.RoadHalf - 1.5), random.Uniform(4, 25));
            AddStrip(scene, StreetClass.Road, right, right + random.Uniform(0.6, 1.5), away, away + random.Uniform(1, 5), Tints.Muted(random, 60, 105, tint: 3));
        }
    }

    private static void AddStrip(StreetScene scene, StreetClass kind, float left, float right, float near, float far, SKColor colour)
    {
        var camera = scene.Camera;
        scene.Add(kind, (_, y) => camera.Ground(y), Tints.Lit(colour, 1.1), colour, path => path.AddPoly(
            [camera.Project(left, 0, near), camera.Project(left, 0, far), camera.Project(right, 0, far), camera.Project(right, 0, near)]));
    }
}
