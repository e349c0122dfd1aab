using Hdrq.Samples.Drawing;
using SkiaSharp;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>Paints what stands around a sign. Coordinates are pixels of the result.</summary>
/// <param name="canvas">Where to paint.</param>
/// <param name="paint">A paint that fills, with antialiasing; its colour is left changed.</param>
internal sealed class StreetPainter(SKCanvas canvas, SKPaint paint)
{
    private const float Size = SceneRenderer.Size;

    // Clutter has the signs' colours too, so that colour alone does not tell the class.
    private static readonly SKColor[] _vivid = [new(178, 40, 44), new(36, 86, 160), new(226, 180, 40), new(232, 232, 228), new(40, 40, 44)];

    /// <summary>Covers the whole canvas with sky, wall or trees, and clutter.</summary>
    public void PaintBackground(Random random)
    {
        var horizon = random.Uniform(17, 30);
        PaintGradient(random, Sky(random), Muted(random, 150, 235), 0, Size);
        switch (random.Next(4))
        {
            case 0:
                PaintBuildings(random, horizon);
                break;
            case 1:
                PaintTrees(random, horizon);
                break;
            case 2:
                PaintGradient(random, Muted(random, 70, 190), Muted(random, 70, 190), 0, Size);
                PaintBricks(random);
                break;
            default:
                PaintTrees(random, horizon + 3);
                PaintBuildings(random, horizon);
                break;
        }
        PaintGradient(random, Muted(random, 60, 130), Muted(random, 50, 110), horizon, Size);
        PaintClutter(random, horizon);
    }

    /// <summary>Paints the pole below the origin, to the edge of the image.</summary>
    /// <param name="random">Decides width and colour.</param>
    /// <param name="radius">The sign's radius in pixels.</param>
    public void PaintPole(Random random, float radius)
    {
        var half = radius * random.Uniform(0.05, 0.09);
        paint.Color = Grey(random.Uniform(80, 185));
        canvas.DrawRect(-half, -radius * 0.5f, 2 * half, 2 * Size, paint);
        paint.Color = new SKColor(0, 0, 0, 70);
        canvas.DrawRect(0, -radius * 0.5f, half, 2 * Size, paint);
    }

    /// <summary>Paints leaves over the rim of the sign.</summary>
    public void PaintBranch(Random random, SKPoint centre, float radius)
    {
        var angle = random.Uniform(0, 2 * Math.PI);
        var leaves = random.Next(3, 7);
        for (var leaf = 0; leaf < leaves; leaf++)
        {
            paint.Color = Leaf(random);
            var x = centre.X + radius * MathF.Cos(angle) + random.Gaussian(1.8);
            var y = centre.Y + radius * MathF.Sin(angle) + random.Gaussian(1.8);
            canvas.DrawOval(x, y, random.Uniform(0.8, 2.2), random.Uniform(0.8, 2.2), paint);
        }
    }

    private void PaintGradient(Random random, SKColor top, SKColor bottom, float from, float to)
    {
        var tilt = random.Uniform(-6, 6);
        using var shader = SKShader.CreateLinearGradient(new(16 - tilt, from), new(16 + tilt, to), [top, bottom], SKShaderTileMode.Clamp);
        paint.Shader = shader;
        paint.Color = SKColors.White;
        canvas.DrawRect(0, from, Size, to - from, paint);
        paint.Shader = null;
    }

    private void PaintBuildings(Random random, float horizon)
    {
        for (var left = random.Uniform(-6, 2); left < Size;)
        {
            var width = random.Uniform(6, 16);
            var top = random.Uniform(-4, horizon - 6);
            paint.Color = Muted(random, 70, 200);
            canvas.DrawRect(left, top, width, horizon - top, paint);
            paint.Color = random.Chance(0.3) ? new SKColor(230, 215, 160) : Grey(random.Uniform(40, 110));
            var (stepX, stepY) = (random.Uniform(2.6, 4), random.Uniform(3, 5));
            for (var y = top + 1.5f; y < horizon - 2; y += stepY)
            {
                for (var x = left + 1.2f; x < left + width - 2; x += stepX)
                    canvas.DrawRect(x, y, 1.3f, 1.8f, paint);
            }
            left += width + (random.Chance(0.4) ? random.Uniform(1, 5) : 0);
        }
    }

    private void PaintTrees(Random random, float horizon)
    {
        var crowns = random.Next(12, 30);
        for (var crown = 0; crown < crowns; crown++)
        {
            paint.Color = Leaf(random);
            var size = random.Uniform(2, 6);
            canvas.DrawOval(random.Uniform(-2, Size + 2), horizon - random.Uniform(0, 20), size, size * random.Uniform(0.6, 1.1), paint);
        }
    }

    private void PaintBricks(Random random)
    {
        paint.Color = new SKColor(0, 0, 0, (byte)random.Next(20, 70));
        var (stepX, stepY) = (random.Uniform(4, 7), random.Uniform(2.2, 3.5));
        var odd = false;
        for (var y = random.Uniform(0, 2); y < Size; y += stepY, odd = !odd)
        {
            canvas.DrawRect(0, y, Size, 0.35f, paint);
            for (var x = odd ? stepX / 2 : 0; x < Size; x += stepX)
                canvas.DrawRect(x, y, 0.35f, stepY, paint);
        }
    }

    private void PaintClutter(Random random, float horizon)
    {
        var items = random.Next(2, 7);
        for (var item = 0; item < items; item++)
        {
            paint.Color = random.Chance(0.5) ? _vivid[random.Next(_vivid.Length)] : Muted(random, 40, 220);
            var (x, y) = (random.Uniform(-2, Size + 2), random.Uniform(4, Size));
            switch (random.Next(4))
            {
                case 0:
                    canvas.DrawOval(x, y, random.Uniform(1, 3.5), random.Uniform(1, 3.5), paint);
                    break;
                case 1:
                    canvas.DrawRect(x, horizon - 2, random.Uniform(3, 8), random.Uniform(1.5, 4), paint);
                    break;
                case 2:
                    canvas.DrawRect(x, 0, random.Uniform(0.5, 1.6), Size, paint);
                    break;
                default:
                    PaintLine(random, x, y);
                    break;
            }
        }
    }

    private void PaintLine(Random random, float x, float y)
    {
        paint.StrokeWidth = random.Uniform(0.4, 1.2);
        paint.Style = SKPaintStyle.Stroke;
        canvas.DrawLine(x, y, random.Uniform(-2, Size + 2), random.Uniform(-2, Size + 2), paint);
        paint.Style = SKPaintStyle.Fill;
    }

    private static SKColor Sky(Random random) =>
        random.Chance(0.6)
            ? new SKColor((byte)random.Next(90, 170), (byte)random.Next(150, 200), (byte)random.Next(205, 245))
            : Grey(random.Uniform(170, 235));

    private static SKColor Leaf(Random random) =>
        new((byte)random.Next(35, 110), (byte)random.Next(70, 135), (byte)random.Next(25, 70));

    private static SKColor Muted(Random random, double low, double high)
    {
        var level = random.Uniform(low, high);
        byte Channel() => (byte)Math.Clamp(level + random.Gaussian(14), 0, 255);
        return new SKColor(Channel(), Channel(), Channel());
    }

    private static SKColor Grey(float level) => new((byte)level, (byte)level, (byte)level);
}
