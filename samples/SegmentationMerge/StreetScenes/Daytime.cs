using Hdrq.Samples.Drawing;

namespace SegmentationMerge.StreetScenes;

/// <summary>Turns a scene by day into an image of a domain.</summary>
internal static class Daytime
{
    /// <summary>The domains, the source domain first.</summary>
    public static IReadOnlyList<string> Domains { get; } = ["day", "dusk", "fog", "night"];

    /// <summary>Applies a domain's light, in place.</summary>
    /// <param name="frame">The scene; only its image is changed.</param>
    /// <param name="domain">One of <see cref="Domains"/>.</param>
    /// <param name="random">Decides strength and detail.</param>
    /// <exception cref="ArgumentOutOfRangeException">The domain is unknown.</exception>
    public static void Apply(SceneFrame frame, string domain, Random random)
    {
        Expose(frame.Image, random);
        switch (domain)
        {
            case "day":
                break;
            case "dusk":
                Darken(frame, random.Uniform(0.55, 0.85), [1.12f, 0.86f, 0.74f], [0.03f, 0.015f, 0.03f], random);
                Glow(frame, random);
                Light(frame, lit: 0.2, random);
                break;
            case "fog":
                AddFog(frame, random);
                break;
            case "night":
                Darken(frame, random.Uniform(0.24, 0.42), [0.8f, 0.92f, 1.3f], [0.01f, 0.015f, 0.04f], random);
                Light(frame, lit: 0.6, random);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(domain), domain, $"Unknown domain; known are {string.Join(", ", Domains)}.");
        }
        AddGrain(frame.Image, domain is "dusk" or "night" ? random.Uniform(0.015, 0.035) : random.Uniform(0.005, 0.02), random);
    }

    /// <summary>No two cameras have the same brightness, contrast and white.</summary>
    private static void Expose(RgbImage image, Random random)
    {
        var (gain, contrast) = (random.Uniform(0.8, 1.12), random.Uniform(0.8, 1.08));
        Span<float> white = [gain * (1 + random.Gaussian(0.04)), gain, gain * (1 + random.Gaussian(0.04))];
        for (var i = 0; i < image.Values.Length; i++)
            image.Values[i] = ((image.Values[i] - 0.5f) * contrast + 0.5f) * white[i % 3];
    }

    private static void Darken(SceneFrame frame, float light, ReadOnlySpan<float> tint, ReadOnlySpan<float> rest, Random random)
    {
        var power = random.Uniform(1.2, 1.5);
        var values = frame.Image.Values;
        for (var i = 0; i < values.Length; i++)
            values[i] = light * tint[i % 3] * MathF.Pow(Math.Max(values[i], 0), power) + rest[i % 3];
    }

    /// <summary>The sky after sunset: warm above the horizon, dark above.</summary>
    private static void Glow(SceneFrame frame, Random random)
    {
        Span<float> horizon = [random.Uniform(0.75, 1), random.Uniform(0.42, 0.6), random.Uniform(0.25, 0.42)];
        var width = frame.Image.Width;
        var rows = frame.Image.Height / 2f;
        for (var pixel = 0; pixel < frame.Classes.Length; pixel++)
        {
            var share = float.IsPositiveInfinity(frame.Depths[pixel]) ? 0.75f * Math.Clamp(pixel / width / rows, 0, 1) : 0;
            for (var channel = 0; channel < 3; channel++)
                frame.Image.Values[pixel * 3 + channel] += share * (horizon[channel] - frame.Image.Values[pixel * 3 + channel]);
        }
    }

    private static void AddFog(SceneFrame frame, Random random)
    {
        var (width, height) = (frame.Image.Width, frame.Image.Height);
        var noise = SmoothNoise.Draw(width, height, random);
        var sight = random.Uniform(9, 22);
        Span<float> haze = [random.Uniform(0.68, 0.8), random.Uniform(0.7, 0.81), random.Uniform(0.72, 0.83)];
        for (var pixel = 0; pixel < frame.Classes.Length; pixel++)
        {
            var through = MathF.Exp(-frame.Depths[pixel] / (sight * (0.75f + 0.5f * noise[pixel])));
            // Some light gets lost even before the nearest things.
            var thickness = Math.Min(1 - 0.85f * through, 0.97f);
            for (var channel = 0; channel < 3; channel++)
            {
                ref var value = ref frame.Image.Values[pixel * 3 + channel];
                value += thickness * (haze[channel] + 0.06f * noise[pixel] - value);
            }
        }
    }

    /// <summary>Lights some of the lamps.</summary>
    private static void Light(SceneFrame frame, double lit, Random random)
    {
        var (width, height) = (frame.Image.Width, frame.Image.Height);
        foreach (var lamp in frame.Lights)
        {
            if (!random.Chance(lit) || lamp.Radius <= 0)
                continue;
            var power = random.Uniform(0.5, 1);
            Span<float> colour = [power * lamp.Colour.Red / 255, power * lamp.Colour.Green / 255, power * lamp.Colour.Blue / 255];
            var reach = (int)Math.Ceiling(3 * lamp.Radius);
            for (var y = Math.Max(0, (int)lamp.Centre.Y - reach); y < Math.Min(height, (int)lamp.Centre.Y + reach + 1); y++)
            {
                for (var x = Math.Max(0, (int)lamp.Centre.X - reach); x < Math.Min(width, (int)lamp.Centre.X + reach + 1); x++)
                {
                    var (right, down) = (x + 0.5f - lamp.Centre.X, y + 0.5f - lamp.Centre.Y);
                    var share = MathF.Exp(-(right * right + down * down) / (2 * lamp.Radius * lamp.Radius));
                    for (var channel = 0; channel < 3; channel++)
                        frame.Image.Values[(y * width + x) * 3 + channel] += share * colour[channel];
                }
            }
        }
    }

    private static void AddGrain(RgbImage image, float deviation, Random random)
    {
        for (var i = 0; i < image.Values.Length; i++)
            image.Values[i] += random.Gaussian(deviation);
    }
}
