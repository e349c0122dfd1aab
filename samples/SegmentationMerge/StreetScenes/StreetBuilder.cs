using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Composes streets.</summary>
internal static class StreetBuilder
{
    /// <summary>Composes one.</summary>
    /// <param name="random">Decides everything.</param>
    public static StreetScene Build(Random random)
    {
        var vanishing = new SKPoint(StreetRenderer.Width * random.Uniform(0.32, 0.68), StreetRenderer.Height * random.Uniform(0.38, 0.5));
        var scene = new StreetScene(new(vanishing, StreetRenderer.Width * random.Uniform(0.72, 0.95), random.Uniform(1.4, 2)));
        var road = random.Uniform(3.2, 5);
        var street = new StreetPlan(road, road + random.Uniform(2, 4.5));
        GroundPainter.Add(scene, street, random);
        BuildingPainter.Add(scene, street, random);
        // What stands further away is hidden by what stands before it.
        foreach (var (_, add) in Standing(scene, street, random).OrderByDescending(item => item.Away).ToList())
            add();
        return scene;
    }

    private static List<(float Away, Action Add)> Standing(StreetScene scene, StreetPlan street, Random random)
    {
        var items = new List<(float Away, Action Add)>();
        var kerb = street.RoadHalf + 0.5f;
        foreach (var side in new[] { -1, 1 })
        {
            if (random.Chance(0.7))
                Row(items, random, 4, random.Uniform(6, 14), away => TreePainter.Add(scene, side * (kerb + 0.5f), away, random));
            if (random.Chance(0.85))
                Row(items, random, 3.5, random.Uniform(8, 16), away => PolePainter.Add(scene, side * kerb, away, random));
            if (random.Chance(0.5))
                Row(items, random, 5, random.Uniform(6, 9), away => CarPainter.Add(scene, side * (street.RoadHalf - 0.95f), away, side < 0, random));
        }
        Scatter(items, random, random.Next(1, 4), 6, 30, away =>
        {
            var side = random.Chance(0.5) ? 1 : -1;
            CarPainter.Add(scene, side * random.Uniform(1.1, 1.5), away, side < 0, random);
        });
        Scatter(items, random, random.Next(2, 8), 4, 22, away =>
        {
            var onRoad = random.Chance(0.15);
            var side = random.Chance(0.5) ? 1 : -1;
            PedestrianPainter.Add(scene, side * (onRoad ? random.Uniform(0, street.RoadHalf) : random.Uniform(street.RoadHalf + 0.8, street.FrontHalf - 0.3)), away, random);
        });
        return items;
    }

    private static void Row(List<(float Away, Action Add)> items, Random random, double first, float step, Action<float> add)
    {
        for (var away = random.Uniform(first, first + step); away < 50; away += step + random.Gaussian(0.5))
        {
            var place = away;
            items.Add((place, () => add(place)));
        }
    }

    private static void Scatter(List<(float Away, Action Add)> items, Random random, int count, double near, double far, Action<float> add)
    {
        for (var item = 0; item < count; item++)
        {
            // Even in the image rather than in the street: most of the street is far away and small.
            var away = 1 / random.Uniform(1 / far, 1 / near);
            items.Add((away, () => add(away)));
        }
    }
}
