using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts rows of buildings along both sides of a street, and what closes it.</summary>
internal static class BuildingPainter
{
    private static readonly SKColor[] _walls = [new(150, 84, 66), new(196, 176, 148), new(172, 168, 164), new(118, 104, 98), new(214, 206, 190), new(140, 120, 88), new(104, 110, 122)];

    /// <summary>Adds the buildings.</summary>
    public static void Add(StreetScene scene, StreetPlan street, Random random)
    {
        if (random.Chance(0.75))
            AddEnd(scene, random);
        foreach (var side in new[] { -1, 1 })
        {
            var lots = new List<(float Near, float Far)>();
            for (var near = random.Uniform(1.2, 4); near < 75;)
            {
                var far = near + random.Uniform(6, 16);
                if (random.Chance(0.85))
                    lots.Add((near, far));
                near = far + (random.Chance(0.2) ? random.Uniform(2, 8) : 0);
            }
            // Those further away are hidden by those before them.
            for (var lot = lots.Count - 1; lot >= 0; lot--)
                AddHouse(scene, side * (street.FrontHalf + random.Uniform(0, 1)), lots[lot].Near, lots[lot].Far, random);
        }
    }

    private static void AddHouse(StreetScene scene, float front, float near, float far, Random random)
    {
        var camera = scene.Camera;
        var height = random.Uniform(4, 15);
        var wall = Tints.Of(random, _walls);
        var shaded = Tints.Lit(wall, random.Uniform(0.6, 0.95));
        var back = front + Math.Sign(front) * 12;
        // The side that faces the camera, then the front.
        Quad(scene, (_, _) => near, shaded, camera.Project(front, 0, near), camera.Project(front, height, near), camera.Project(back, height, near), camera.Project(back, 0, near));
        Quad(scene, (x, _) => Math.Clamp(camera.Wall(x, front), near, far), wall, camera.Project(front, 0, near), camera.Project(front, height, near), camera.Project(front, height, far), camera.Project(front, 0, far));
        AddWindows(scene, front, near, far, height, wall, random);
    }

    private static void AddWindows(StreetScene scene, float front, float near, float far, float height, SKColor wall, Random random)
    {
        var camera = scene.Camera;
        var glass = random.Chance(0.5) ? Tints.Lit(wall, 0.5) : Tints.Muted(random, 45, 105);
        var (stepAway, stepUp) = (random.Uniform(1.8, 3), random.Uniform(2.6, 3.4));
        for (var above = random.Uniform(0.7, 1.2); above + 1.4 < height; above += stepUp)
        {
            for (var away = near + 0.6f; away + 1 < far; away += stepAway)
            {
                // Windows too far away to be seen would only cost time.
                if (camera.Focal / away < 1.2)
                    break;
                var (left, right) = (away, away + 0.9f);
                Quad(scene, (_, _) => left, glass, camera.Project(front, above, left), camera.Project(front, above + 1.3f, left), camera.Project(front, above + 1.3f, right), camera.Project(front, above, right));
                if (random.Chance(0.2))
                    scene.Lights.Add(new(camera.Project(front, above + 0.6f, left + 0.4f), 0.4f * camera.Focal / away, new SKColor(255, 214, 140)));
            }
        }
    }

    /// <summary>Houses across the end of the street.</summary>
    private static void AddEnd(StreetScene scene, Random random)
    {
        var away = random.Uniform(70, 110);
        for (var left = -45f; left < 45;)
        {
            var width = random.Uniform(8, 20);
            scene.AddBox(StreetClass.Building, left, 0, width, random.Uniform(5, 17), away, Tints.Of(random, _walls));
            left += width;
        }
    }

    private static void Quad(StreetScene scene, Func<float, float, float> depth, SKColor colour, params SKPoint[] corners) =>
        scene.Add(StreetClass.Building, depth, colour, colour, path => path.AddPoly(corners));
}
