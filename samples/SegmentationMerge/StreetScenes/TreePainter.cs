using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>Puts trees into a scene.</summary>
internal static class TreePainter
{
    /// <summary>Adds one tree.</summary>
    public static void Add(StreetScene scene, float right, float away, Random random)
    {
        var (height, crown) = (random.Uniform(3.5, 8), random.Uniform(1.1, 2.2));
        var bark = Tints.Lit(new SKColor(92, 74, 56), random.Uniform(0.6, 1.2));
        scene.AddBox(StreetClass.Tree, right - 0.16f, 0, 0.32f, height - crown, away, bark);
        var leaf = Tints.Leaf(random);
        scene.AddOval(StreetClass.Tree, right, height - crown, crown, 1.2f * crown, away, leaf);
        for (var clump = 0; clump < 9; clump++)
        {
            scene.AddOval(
                StreetClass.Tree, right + random.Gaussian(0.55 * crown), height - crown + random.Gaussian(0.6 * crown), crown * random.Uniform(0.3, 0.6), crown * random.Uniform(0.25, 0.5), away,
                Tints.Lit(leaf, random.Uniform(0.65, 1.35)));
        }
    }
}
