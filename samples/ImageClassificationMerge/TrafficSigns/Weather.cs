using Hdrq.Samples.Drawing;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>Turns an image of clear weather into one of another domain, in place.</summary>
internal static class Weather
{
    private const int Size = SceneRenderer.Size;

    /// <summary>The domains, the source domain first.</summary>
    public static IReadOnlyList<string> Domains { get; } = ["clear", "fog", "night", "rain"];

    /// <summary>Applies a domain's weather.</summary>
    /// <param name="image">The image; <c>clear</c> leaves it as it is.</param>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="random">Decides strength and detail.</param>
    /// <exception cref="ArgumentOutOfRangeException">The domain is unknown.</exception>
    public static void Apply(RgbImage image, string domain, Random random)
    {
        switch (domain)
        {
            case "clear":
                break;
            case "fog":
                AddFog(image.Values, random);
                break;
            case "night":
                TurnToNight(image.Values, random);
                break;
            case "rain":
                AddRain(image.Values, random);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(domain), domain, $"Unknown domain; known are {string.Join(", ", Domains)}.");
        }
    }

    private static void AddFog(float[] values, Random random)
    {
        var noise = SmoothNoise.Draw(Size, Size, random);
        var density = random.Uniform(0.42, 0.74);
        Span<float> haze = [random.Uniform(0.6, 0.68), random.Uniform(0.62, 0.69), random.Uniform(0.64, 0.72)];
        for (var i = 0; i < values.Length; i++)
        {
            var thickness = Math.Min(0.93f, density * (0.72f + 0.42f * noise[i / 3]));
            values[i] = values[i] * (1 - thickness) + (haze[i % 3] + 0.3f * noise[i / 3]) * thickness;
        }
    }

    private static void TurnToNight(float[] values, Random random)
    {
        var light = random.Uniform(0.36, 0.66);
        var noise = random.Uniform(0.015, 0.03);
        Span<float> tint = [0.82f * light, 0.9f * light, 1.3f * light];
        Span<float> dark = [0.008f, 0.012f, 0.05f];
        for (var i = 0; i < values.Length; i++)
            values[i] = tint[i % 3] * MathF.Pow(Math.Max(values[i], 0), 1.4f) + dark[i % 3];

        var lamps = random.Next(0, 3);
        for (var lamp = 0; lamp < lamps; lamp++)
            AddLamp(values, random);
        for (var i = 0; i < values.Length; i++)
            values[i] += random.Gaussian(noise);
    }

    private static void AddLamp(float[] values, Random random)
    {
        var (x, y) = (random.Uniform(0, Size), random.Uniform(0, Size));
        var (power, width) = (random.Uniform(0.3, 0.8), random.Uniform(1, 2.6));
        Span<float> colour = [1f, random.Uniform(0.7, 0.95), random.Uniform(0.35, 0.8)];
        for (var i = 0; i < values.Length; i++)
        {
            var (dx, dy) = (i / 3 % Size - x, i / 3 / Size - y);
            values[i] += power * colour[i % 3] * MathF.Exp(-(dx * dx + dy * dy) / (2 * width * width));
        }
    }

    private static void AddRain(float[] values, Random random)
    {
        Blur(values, random.Uniform(0.5, 1));
        var light = random.Uniform(0.55, 0.8);
        var grey = random.Uniform(0.25, 0.5);
        var streaks = Streaks(random);
        for (var pixel = 0; pixel < Size * Size; pixel++)
        {
            var mean = (values[pixel * 3] + values[pixel * 3 + 1] + values[pixel * 3 + 2]) / 3;
            for (var channel = 0; channel < 3; channel++)
            {
                ref var value = ref values[pixel * 3 + channel];
                value = light * (value + grey * (0.85f * mean + 0.08f - value));
                value += streaks[pixel] * (0.78f + 0.03f * channel - value);
            }
        }
    }

    /// <summary>Opacity of rain streaks per pixel, in [0, 0.8]; all fall in nearly one direction.</summary>
    private static float[] Streaks(Random random)
    {
        var opacity = new float[Size * Size];
        var slant = random.Gaussian(0.25);
        var count = random.Next(20, 44);
        for (var streak = 0; streak < count; streak++)
        {
            var (x, y) = (random.Uniform(-6, Size + 6), random.Uniform(-8, Size));
            var dx = slant + random.Gaussian(0.04);
            var length = random.Uniform(5, 14);
            var strength = random.Uniform(0.12, 0.42);
            for (var step = 0f; step < length; step += 0.5f)
                Splat(opacity, x + dx * step, y + step, strength);
        }
        for (var i = 0; i < opacity.Length; i++)
            opacity[i] = Math.Min(opacity[i], 0.8f);
        return opacity;
    }

    private static void Splat(float[] target, float x, float y, float amount)
    {
        var (left, top) = ((int)MathF.Floor(x), (int)MathF.Floor(y));
        for (var row = top; row <= top + 1; row++)
        {
            for (var column = left; column <= left + 1; column++)
            {
                if (row is >= 0 and < Size && column is >= 0 and < Size)
                    target[row * Size + column] += amount * (1 - Math.Abs(x - column)) * (1 - Math.Abs(y - row));
            }
        }
    }

    /// <summary>Mixes each pixel with the 3x3 binomial average around it.</summary>
    private static void Blur(float[] values, float share)
    {
        Average(values, share, 3, Size);
        Average(values, share, Size * 3, Size);
    }

    private static void Average(float[] values, float share, int stride, int count)
    {
        var source = (float[])values.Clone();
        for (var i = 0; i < values.Length; i++)
        {
            var place = i / stride % count;
            var before = place == 0 ? source[i] : source[i - stride];
            var after = place == count - 1 ? source[i] : source[i + stride];
            values[i] += share * (0.25f * (before + after) - 0.5f * source[i]);
        }
    }
}
