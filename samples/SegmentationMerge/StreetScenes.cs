using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using SkiaSharp;

namespace Hdrq.Samples;

/// <summary>Draws streets in several lights, with a mask for each image: data for trying out segmentation.</summary>
internal static class StreetScenes
{
    /// <summary>The width of the images in pixels.</summary>
    public const int Width = 96;

    /// <summary>The height of the images in pixels.</summary>
    public const int Height = 64;

    /// <summary>The domains, which are the subfolders.</summary>
    public static IReadOnlyList<string> Domains { get; } = ["day", "dusk", "fog", "night"];

    /// <summary>The classes, in the order of their values in masks.</summary>
    public static IReadOnlyList<string> Classes { get; } = ["sky", "road", "pavement", "building", "tree", "car"];

    /// <summary>
    /// Writes images <c>[folder]/[domain]/[train|test]/images/0000.png</c>, masks of the same names in <c>labels</c>,
    /// and <c>classes.txt</c>. A folder that exists is left as it is; a new one appears when all is in it.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="seed">The seed: equal seeds give equal files.</param>
    /// <param name="train">The number of training images of each domain, which has streets of its own.</param>
    /// <param name="test">The number of test images of each domain: the same streets in all domains.</param>
    public static void Draw(string folder, int seed, int train, int test)
    {
        if (Directory.Exists(folder))
            return;
        var unfinished = $"{Path.TrimEndingDirectorySeparator(folder)}.{Guid.NewGuid():N}";
        try
        {
            foreach (var domain in Domains)
            {
                for (var i = 0; i < train; i++)
                    Write(domain, "train", i, $"{seed} {domain} {i}");
                for (var i = 0; i < test; i++)
                    Write(domain, "test", i, $"{seed} test {i}");
            }
            File.WriteAllLines(Path.Combine(unfinished, "classes.txt"), Classes);
            Directory.Move(unfinished, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            // Another process has drawn the same meanwhile.
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
        }

        void Write(string domain, string split, int number, string key)
        {
            using var street = new Street(domain, Generator(key), Generator($"{key} {domain} light"));
            foreach (var (kind, file) in new[] { ("images", street.Image()), ("labels", street.Mask()) })
            {
                var target = Directory.CreateDirectory(Path.Combine(unfinished, domain, split, kind));
                File.WriteAllBytes(Path.Combine(target.FullName, $"{number:D4}.png"), file);
            }
        }

        // Hash codes of strings differ from run to run, and close seeds would give similar streets.
        static Random Generator(string key) =>
            new(BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(key))));
    }

    /// <summary>
    /// A street, drawn from back to front: colours with soft edges on one canvas, classes with hard ones on another.
    /// Places are in metres: to the right of the camera, above the ground, and away from the camera.
    /// </summary>
    private sealed class Street : IDisposable
    {
        private const byte Sky = 0, Road = 1, Pavement = 2, Building = 3, Tree = 4, Car = 5;

        private static readonly int[] _walls = [0x965442, 0xC4B094, 0xACA8A4, 0x766862, 0xD6CEBE, 0x8C7858, 0x686E7A];
        private static readonly int[] _paints = [0xB01E24, 0x1E3C82, 0xE4E4E2, 0x24242A, 0x969AA0, 0x3C6046, 0xCEAA3C];

        private static readonly SKImageInfo _info = new(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque);

        private readonly SKSurface _colors = SKSurface.Create(_info);
        private readonly SKSurface _classes = SKSurface.Create(_info);
        private readonly string _domain;
        private readonly Random _random;
        private readonly Random _light;
        private readonly (float X, float Y) _vanishing;
        private readonly (float Focal, float Height) _camera;
        private readonly float _strength;
        private readonly Vector3 _exposure;

        public Street(string domain, Random random, Random light)
        {
            (_domain, _random, _light) = (domain, random, light);
            _vanishing = (Width * Between(0.32f, 0.68f), Height * Between(0.38f, 0.5f));
            _camera = (Width * Between(0.72f, 0.95f), Between(1.4f, 2));
            // No two cameras have the same exposure and white.
            _strength = light.NextSingle();
            _exposure = new Vector3(0.94f + 0.12f * light.NextSingle(), 1, 0.94f + 0.12f * light.NextSingle())
                * (0.82f + 0.28f * light.NextSingle());
            var road = Between(3.2f, 5);
            var front = road + Between(2, 4.5f);
            DrawSkyAndGround(road);
            foreach (var side in new[] { -1, 1 })
                DrawHouses(side, front);
            DrawThings(road);
        }

        /// <summary>The image as a PNG file.</summary>
        public byte[] Image()
        {
            var (pixels, grain) = (Pixels(_colors), _domain is "dusk" or "night" ? 20 : 10);
            for (var i = 0; i < pixels.Length; i++)
            {
                var noise = grain * (_light.NextSingle() + _light.NextSingle() - 1);
                pixels[i] = (byte)Math.Clamp(pixels[i] + noise, 0, 255);
            }
            return Encode(_info, pixels);
        }

        /// <summary>The mask as a grey PNG file.</summary>
        public byte[] Mask() =>
            Encode(_info.WithColorType(SKColorType.Gray8), [.. Pixels(_classes).Where((_, i) => i % 4 == 0)]);

        public void Dispose()
        {
            _colors.Dispose();
            _classes.Dispose();
        }

        private static byte[] Pixels(SKSurface surface)
        {
            using var pixels = surface.PeekPixels();
            return pixels.GetPixelSpan().ToArray();
        }

        private static byte[] Encode(SKImageInfo info, byte[] pixels)
        {
            using var image = SKImage.FromPixelCopy(info, pixels);
            using var file = image.Encode(SKEncodedImageFormat.Png, 100);
            return file.ToArray();
        }

        private void DrawSkyAndGround(float road)
        {
            var top = Vector3.Lerp(Rgb(0x78AAE6), Rgb(0xC8CCD0), _random.NextSingle());
            var horizon = _domain == "dusk" ? Rgb(0xFFA870) : 1.15f * top;
            for (var y = 0; y < _vanishing.Y; y += 3)
            {
                var color = Vector3.Lerp(top, horizon, y / _vanishing.Y);
                Fill(Sky, 1000, color, new(0, y), new(Width, y), new(Width, Height), new(0, Height));
            }
            for (var cloud = _random.Next(6); cloud > 0; cloud--)
                Oval(Sky, Between(-60, 60), Between(10, 60), Between(4, 14), Between(1, 4), 100, 1.2f * top);
            var (paving, asphalt) = (Between(0.55f, 0.75f) * Vector3.One, Between(0.28f, 0.46f) * Vector3.One);
            Strip(Pavement, -200, 200, 1, 400, paving);
            Strip(Pavement, -road - 0.2f, road + 0.2f, 1, 400, 0.6f * paving);
            Strip(Road, -road, road, 1, 400, asphalt);
            for (var away = Between(3, 7); away < 60; away += 7)
                Strip(Road, -0.08f, 0.08f, away, away + 3, Rgb(0xDCDCD8));
        }

        private void DrawHouses(int side, float front)
        {
            var ends = new List<float> { Between(1.2f, 4) };
            while (ends[^1] < 75)
                ends.Add(ends[^1] + Between(6, 16));
            for (var lot = ends.Count - 2; lot >= 0; lot--)
            {
                var (near, far, x, height) = (ends[lot], ends[lot + 1], side * (front + Between(0, 1)), Between(4, 15));
                var wall = Pick(_walls);
                if (_random.Next(8) == 0)
                    continue;
                Box(Building, Math.Min(x, x + side * 12), 0, 12, height, near, 0.8f * wall);
                for (var away = far; away > near; away -= 4)
                    Wall(x, 0, height, near, away, wall);
                for (var up = 1f; up + 1.4f < height; up += 3)
                {
                    // Windows further away are smaller than a pixel.
                    for (var away = near + 0.6f; away < Math.Min(far - 1, 40); away += 2.4f)
                    {
                        var isLit = _random.Next(4) == 0 && _domain is "dusk" or "night";
                        Wall(x, up, 1.3f, away, away + 0.9f, isLit ? 4 * Rgb(0xFFD68C) : 0.5f * wall);
                    }
                }
            }
        }

        private void DrawThings(float road)
        {
            var things = new List<(float Away, Action Draw)>();
            foreach (var side in new[] { -1, 1 })
            {
                for (var away = Between(4, 14); away < 45 && _random.Next(6) > 0; away += 8)
                    Add(away, place => DrawTree(side * (road + 1), place));
                for (var away = Between(5, 14); away < 45 && _random.Next(4) > 0; away += 7)
                    Add(away, place => DrawCar(side * (road - 0.95f), place, side < 0));
                // Even in the image rather than in the street, most of which is far away and small.
                for (var count = _random.Next(1, 3); count > 0; count--)
                    Add(1 / Between(1 / 30f, 1 / 6f), place => DrawCar(side * Between(1.1f, 1.5f), place, side < 0));
            }
            foreach (var thing in things.OrderByDescending(thing => thing.Away).ToList())
                thing.Draw();

            void Add(float away, Action<float> draw) => things.Add((away, () => draw(away)));
        }

        private void DrawTree(float x, float away)
        {
            var (up, crown) = (Between(3, 6), Between(1.1f, 2.2f));
            var leaf = new Vector3(Between(0.15f, 0.4f), Between(0.3f, 0.5f), Between(0.1f, 0.27f));
            Box(Tree, x - 0.18f, 0, 0.36f, up, away, Rgb(0x5C4A38));
            for (var size = crown; size > 0.3f; size *= 0.8f)
                Oval(Tree, x + Between(-0.5f, 0.5f) * crown, up, size, 1.2f * size, away, Between(0.8f, 1.25f) * leaf);
        }

        private void DrawCar(float x, float away, bool comesTowards)
        {
            var (half, height, paint) = (Between(0.8f, 0.95f), Between(1.35f, 1.8f), Pick(_paints));
            var lamp = (_domain is "dusk" or "night" ? 4 : 1) * (comesTowards ? Rgb(0xF6F0D6) : Rgb(0xC41E1E));
            Box(Car, x - half, 0.15f, 2 * half, 0.5f * height, away, paint);
            Box(Car, x - 0.8f * half, 0.5f * height, 1.6f * half, 0.5f * height, away, paint);
            Box(Car, x - 0.7f * half, 0.6f * height, 1.4f * half, 0.32f * height, away, Rgb(0x3C4048));
            foreach (var side in new[] { -1, 1 })
            {
                Box(Car, x + 0.8f * side * half - 0.12f, 0, 0.24f, 0.4f, away, Rgb(0x141416));
                Box(Car, x + 0.8f * side * half - 0.12f, 0.6f, 0.24f, 0.18f, away, lamp);
            }
        }

        private SKPoint At(float right, float up, float away) => new(
            _vanishing.X + _camera.Focal * right / away, _vanishing.Y + _camera.Focal * (_camera.Height - up) / away);

        /// <summary>Part of the ground, in slices: fog covers more of what is further away.</summary>
        private void Strip(byte kind, float left, float right, float near, float far, Vector3 color)
        {
            for (var away = far; away > near; away /= 1.3f)
                Fill(kind, away, color, At(left, 0, near), At(left, 0, away), At(right, 0, away), At(right, 0, near));
        }

        /// <summary>What faces the street.</summary>
        private void Wall(float x, float up, float height, float near, float far, Vector3 color) => Fill(
            Building, far, color,
            At(x, up, near), At(x, up + height, near), At(x, up + height, far), At(x, up, far));

        /// <summary>What faces the camera.</summary>
        private void Box(byte kind, float left, float up, float width, float height, float away, Vector3 color)
        {
            var (upper, lower) = (At(left, up + height, away), At(left + width, up, away));
            Fill(kind, away, color, path => path.AddRect(new(upper.X, upper.Y, lower.X, lower.Y)));
        }

        private void Oval(byte kind, float x, float up, float radiusX, float radiusY, float away, Vector3 color)
        {
            var (upper, lower) = (At(x - radiusX, up + radiusY, away), At(x + radiusX, up - radiusY, away));
            Fill(kind, away, color, path => path.AddOval(new(upper.X, upper.Y, lower.X, lower.Y)));
        }

        private void Fill(byte kind, float away, Vector3 color, params SKPoint[] corners) =>
            Fill(kind, away, color, path => path.AddPoly(corners));

        private void Fill(byte kind, float away, Vector3 color, Action<SKPath> outline)
        {
            using var path = new SKPath();
            outline(path);
            var seen = Vector3.Clamp(InLight(color * _exposure, away), Vector3.Zero, Vector3.One) * 255;
            using var soft = new SKPaint { IsAntialias = true, Color = new((byte)seen.X, (byte)seen.Y, (byte)seen.Z) };
            using var hard = new SKPaint { Color = new(kind, 0, 0) };
            _colors.Canvas.DrawPath(path, soft);
            _classes.Canvas.DrawPath(path, hard);
        }

        /// <summary>A colour in the light of the domain; when it is dark, what is dark gets darker still.</summary>
        private Vector3 InLight(Vector3 color, float away) => _domain switch
        {
            "dusk" => new Vector3(1.12f, 0.86f, 0.74f) * (0.5f + 0.25f * _strength) * color * (color + Vector3.One) / 2,
            "night" => new Vector3(0.8f, 0.92f, 1.3f) * (0.2f + 0.15f * _strength) * color * (color + Vector3.One) / 2,
            "fog" => Vector3.Lerp(color, new(0.74f), 1 - 0.85f * MathF.Exp(-away / (9 + 12 * _strength))),
            _ => color,
        };

        private float Between(float low, float high) => low + (high - low) * _random.NextSingle();

        private Vector3 Pick(int[] colors) => Between(0.8f, 1.1f) * Rgb(colors[_random.Next(colors.Length)]);

        private static Vector3 Rgb(int color) => new Vector3(color >> 16, color >> 8 & 255, color & 255) / 255;
    }
}
