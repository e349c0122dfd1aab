using System.Security.Cryptography;
using System.Text;
using SkiaSharp;

namespace Hdrq.Samples;

/// <summary>
/// Draws the images of the lessons: ten traffic signs of 32 x 32 pixels in clear weather, in fog, at night and in rain.
/// The test images of all domains show the same scenes, so that a network's accuracies differ by the weather alone.
/// Every training image shows a scene of its own.
/// </summary>
internal static class TrafficSigns
{
    private const int Size = 32;

    /// <summary>Images are drawn larger and then reduced: a letter's stroke is about one pixel wide.</summary>
    private const int Enlarged = 3;

    private const string Square = "M-.92,-.92H.92V.92H-.92Z";
    private const string Panel = "M-.84,-.84H.84V.84H-.84Z";
    private const string Diamond = "M0,-1L1,0L0,1L-1,0Z";
    private const string Upright = "M0,-.86L.92,.76H-.92Z";
    private const string Upended = "M0,.86L.92,-.76H-.92Z";
    private const string LetterS =
        "M-.46,-.22Q-.5,-.32 -.6,-.32Q-.74,-.32 -.74,-.16Q-.74,-.03 -.6,0Q-.45,.04 -.45,.17Q-.45,.32 -.6,.32Q-.71,.32 "
        + "-.75,.21";

    private static readonly SKColor _red = new(196, 24, 38);
    private static readonly SKColor _blue = new(20, 78, 172);
    private static readonly SKColor _yellow = new(246, 192, 20);
    private static readonly SKColor _white = new(242, 242, 238);
    private static readonly SKColor _black = new(24, 24, 26);

    /// <summary>
    /// The signs by class: painted parts from back to front, as SVG paths that fill [-1, 1] in both directions with y
    /// down, each with its colour and the width of its line, or 0 to fill it.
    /// </summary>
    private static readonly (string Class, (string Path, SKColor Color, float Line)[] Parts)[] _signs =
    [
        ("keep_right", [(Circle(0, 0, 1), _white, 0), (Circle(0, 0, .91f), _blue, 0),
            ("M-.48,-.48L.2,.2", _white, .26f), ("M.56,.56V-.22L-.22,.56Z", _white, 0)]),
        ("no_entry", [(Circle(0, 0, 1), _white, 0), (Circle(0, 0, .93f), _red, 0),
            ("M-.66,-.19H.66V.19H-.66Z", _white, 0)]),
        ("parking", [(Square, _white, 0), (Panel, _blue, 0),
            ("M-.28,.66V-.52H.08Q.44,-.52 .44,-.18Q.44,.16 .08,.16H-.28", _white, .27f)]),
        ("pedestrian_crossing", [(Square, _white, 0), (Panel, _blue, 0), ("M0,-.76L.76,.64H-.76Z", _white, 0),
            (Circle(.03f, -.3f, .11f), _black, 0),
            ("M.02,-.16L-.02,.14L-.24,.5M-.02,.14L.2,.5M.01,-.08L-.22,.1M.01,-.08L.24,.08", _black, .12f)]),
        ("priority_road", [(Diamond, _white, 0), (Diamond, _black, .04f), ("M0,-.7L.7,0L0,.7L-.7,0Z", _yellow, 0)]),
        ("roundabout", [(Circle(0, 0, 1), _white, 0), (Circle(0, 0, .91f), _blue, 0),
            (Arrow(-80), _white, 0), (Arrow(40), _white, 0), (Arrow(160), _white, 0)]),
        ("speed_limit_50", [(Circle(0, 0, 1), _red, 0), (Circle(0, 0, .75f), _white, 0),
            ("M-.1,-.38H-.43L-.46,-.03Q-.36,-.11 -.26,-.11Q-.08,-.1 -.08,.13Q-.09,.38 -.3,.38Q-.43,.38 -.5,.27", _black,
                .15f),
            ("M.3,-.38Q.5,-.38 .5,0Q.5,.38 .3,.38Q.1,.38 .1,0Q.1,-.38 .3,-.38Z", _black, .15f)]),
        ("stop", [("M-.41,-1H.41L1,-.41V.41L.41,1H-.41L-1,.41V-.41Z", _white, 0),
            ("M-.38,-.91H.38L.91,-.38V.38L.38,.91H-.38L-.91,.38V-.38Z", _red, 0), (LetterS, _white, .13f),
            ("M-.37,-.32H-.03M-.2,-.32V.38", _white, .13f),
            ("M.2,-.32Q.34,-.32 .34,0Q.34,.32 .2,.32Q.06,.32 .06,0Q.06,-.32 .2,-.32Z", _white, .13f),
            ("M.49,.38V-.32H.6Q.75,-.32 .75,-.13Q.75,.06 .6,.06H.49", _white, .13f)]),
        ("warning", [(Upright, _red, 0), (Upright, _red, .14f), ("M0,-.5L.62,.6H-.62Z", _white, 0),
            ("M-.11,-.2H.11L.06,.27H-.06Z", _black, 0), (Circle(0, .43f, .1f), _black, 0)]),
        ("yield", [(Upended, _red, 0), (Upended, _red, .14f), ("M0,.45L.59,-.58H-.59Z", _white, 0)]),
    ];

    /// <summary>The domains, the source domain first.</summary>
    public static IReadOnlyList<string> Domains { get; } = ["clear", "fog", "night", "rain"];

    /// <summary>The classes, in ordinal order.</summary>
    public static IReadOnlyList<string> Classes { get; } = [.. _signs.Select(sign => sign.Class)];

    /// <summary>
    /// Draws the images, as <c>&lt;folder&gt;/&lt;domain&gt;/&lt;train|test&gt;/&lt;class&gt;/&lt;number&gt;.png</c>.
    /// The folder appears when it is complete; one that is there already is left as it is.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="seed">The seed: the same seed gives the same images on the same machine.</param>
    /// <param name="trainPerClass">The number of training images of a class in a domain.</param>
    /// <param name="testPerClass">The number of test images of a class in a domain.</param>
    /// <param name="classes">The classes to draw; none for all.</param>
    public static void Draw(string folder, int seed, int trainPerClass, int testPerClass, params string[] classes)
    {
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(target))
            return;
        if (classes.Except(Classes).FirstOrDefault() is { } unknown)
            throw new ArgumentException($"There is no sign '{unknown}'; there are {string.Join(", ", Classes)}.");
        var unfinished = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            foreach (var domain in Domains)
            {
                foreach (var name in classes.Length > 0 ? classes : Classes)
                {
                    foreach (var (split, count) in new[] { ("train", trainPerClass), ("test", testPerClass) })
                    {
                        var images = Directory.CreateDirectory(Path.Combine(unfinished, domain, split, name)).FullName;
                        Parallel.For(0, count, i =>
                        {
                            var scene = split == "test" ? "all" : domain;
                            var png = Render(
                                name, domain, Seeded($"{seed}/{scene}/{split}/{name}/{i}"),
                                Seeded($"{seed}/weather/{domain}/{split}/{name}/{i}"));
                            File.WriteAllBytes(Path.Combine(images, $"{i:D4}.png"), png);
                        });
                    }
                }
            }
            Directory.Move(unfinished, target);
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
        }
    }

    /// <summary>Draws an image, as a PNG file.</summary>
    /// <param name="name">The class.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="scene">Decides about the sign, what is around it, and the camera.</param>
    /// <param name="air">Decides about the weather.</param>
    private static byte[] Render(string name, string domain, Random scene, Random air)
    {
        using var drawn = new SKBitmap(Size * Enlarged, Size * Enlarged, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(drawn);
        using var paint = new SKPaint { IsAntialias = true, StrokeJoin = SKStrokeJoin.Round };
        canvas.Scale(Enlarged);
        PaintStreet(canvas, paint, scene);
        PaintSign(canvas, paint, scene, _signs.Single(sign => sign.Class == name).Parts);
        if (domain == "rain")
            PaintRain(canvas, paint, air);
        canvas.Flush();
        // Drops on the lens blur the image.
        var sharpness = domain == "rain" ? air.Next(18, 28) : Size * Enlarged;
        using var blurred = drawn.Resize(new SKImageInfo(sharpness, sharpness), SKFilterQuality.Medium);
        using var image = blurred.Resize(new SKImageInfo(Size, Size), SKFilterQuality.Medium);
        image.Pixels = Expose(image.Pixels, scene, Weather(domain, air));
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    /// <summary>Paints sky, houses or trees, the street, and things that have the colours of signs.</summary>
    private static void PaintStreet(SKCanvas canvas, SKPaint paint, Random random)
    {
        var horizon = Uniform(random, 17, 30);
        canvas.Clear(random.Next(5) < 3 ? Mixed(random, 130, 175, 225) : Mixed(random, 205, 205, 205));
        var (count, areTrees) = (random.Next(4, 20), random.Next(2) == 0);
        for (var i = 0; i < count; i++)
        {
            var (x, size) = (Uniform(random, -6, Size), Uniform(random, 2, 7));
            var level = Uniform(random, 70, 200);
            paint.Color = areTrees ? Mixed(random, 70, 100, 50) : Mixed(random, level, level, level);
            if (areTrees)
                canvas.DrawOval(x, horizon - Uniform(random, 0, 20), size, size * Uniform(random, .6, 1.1), paint);
            else
                canvas.DrawRect(x, Uniform(random, -4, horizon - 6), 2 * size, Size, paint);
        }
        var street = Uniform(random, 60, 120);
        paint.Color = Mixed(random, street, street, street);
        canvas.DrawRect(0, horizon, Size, Size, paint);
        for (var i = random.Next(2, 7); i > 0; i--)
        {
            SKColor[] colors = [_red, _blue, _yellow, _white, _black, Mixed(random, 130, 130, 130)];
            paint.Color = colors[random.Next(colors.Length)];
            var (x, y) = (Uniform(random, -2, Size), Uniform(random, 0, Size));
            if (random.Next(2) == 0)
                canvas.DrawOval(x, y, Uniform(random, 1, 3.5), Uniform(random, 1, 3.5), paint);
            else
                canvas.DrawRect(x, y, Uniform(random, .5, 6), Uniform(random, 1, 12), paint);
        }
    }

    /// <summary>Paints a sign on its pole, seen from somewhere and faded by the sun.</summary>
    private static void PaintSign(
        SKCanvas canvas, SKPaint paint, Random random, (string Path, SKColor Color, float Line)[] parts)
    {
        var radius = Uniform(random, 7.5, 13);
        canvas.Save();
        canvas.Translate(16 + Uniform(random, -3, 3), 16 + Uniform(random, -3, 3));
        canvas.RotateDegrees(Gaussian(random, 7));
        paint.Color = Mixed(random, 130, 130, 130);
        canvas.DrawRect(-.07f * radius, 0, .14f * radius, 2 * Size, paint);
        canvas.Scale(radius * Uniform(random, .7, 1), radius);
        canvas.Skew(Gaussian(random, .06), Gaussian(random, .08));
        var (fade, light) = (Uniform(random, 0, .4), Uniform(random, .82, 1.05));
        foreach (var (path, color, line) in parts)
        {
            using var outline = SKPath.ParseSvgPathData(path);
            paint.Color = new(Faded(color.Red), Faded(color.Green), Faded(color.Blue));
            (paint.IsStroke, paint.StrokeWidth) = (line > 0, line);
            canvas.DrawPath(outline, paint);
        }
        paint.IsStroke = false;
        canvas.Restore();

        byte Faded(byte value) => ToByte(light * (value + fade * (150 - value)) / 255);
    }

    private static void PaintRain(SKCanvas canvas, SKPaint paint, Random random)
    {
        var slant = Gaussian(random, .25);
        paint.StrokeWidth = .7f;
        for (var i = random.Next(25, 50); i > 0; i--)
        {
            var (x, y, length) = (Uniform(random, -6, Size + 6), Uniform(random, -8, Size), Uniform(random, 5, 14));
            paint.Color = new SKColor(215, 220, 225, (byte)random.Next(60, 200));
            canvas.DrawLine(x, y, x + slant * length, y + length, paint);
        }
    }

    /// <summary>What the weather makes of the colour (red, green, blue) at a place.</summary>
    private static Action<float[], int, int> Weather(string domain, Random random)
    {
        var (a, b, c, d) = (Gaussian(random, .2), Gaussian(random, .2), Uniform(random, 0, 6), Uniform(random, 0, 1));
        var (x0, y0, power) = (Uniform(random, 0, Size), Uniform(random, 0, Size), Uniform(random, 0, .8));
        return domain switch
        {
            "fog" => (color, x, y) =>
            {
                var cloud = .5f + .5f * MathF.Sin(a * x + b * y + c);
                var thickness = Math.Min(.93f, (.45f + .32f * d) * (.72f + .42f * cloud));
                for (var i = 0; i < 3; i++)
                    color[i] += thickness * (.7f + .02f * i + .15f * cloud - color[i]);
            }
            ,
            "night" => (color, x, y) =>
            {
                var lamp = power * MathF.Exp(-((x - x0) * (x - x0) + (y - y0) * (y - y0)) / 8);
                for (var i = 0; i < 3; i++)
                {
                    var dark = (.36f + .3f * d) * (.82f + .24f * i) * MathF.Pow(Math.Max(color[i], 0), 1.4f);
                    color[i] = dark + .02f * i + lamp * (1 - .2f * i) + Gaussian(random, .025);
                }
            }
            ,
            "rain" => (color, x, y) =>
            {
                var grey = .25f * color.Sum() + .08f;
                for (var i = 0; i < 3; i++)
                    color[i] = (.55f + .25f * d) * (color[i] + .4f * (grey - color[i]));
            }
            ,
            _ => (color, x, y) => { }
            ,
        };
    }

    /// <summary>Takes the picture: brightness, contrast and tint of the camera, the weather, and grain.</summary>
    private static SKColor[] Expose(SKColor[] pixels, Random random, Action<float[], int, int> weather)
    {
        var (gain, contrast) = (Uniform(random, .6, 1.15), Uniform(random, .7, 1.08));
        var (tint, slope, grain) = (Gaussian(random, .05), Gaussian(random, .15), Uniform(random, .005, .025));
        return [.. pixels.Select((pixel, place) =>
        {
            var (x, y) = (place % Size, place / Size);
            float[] color = [pixel.Red, pixel.Green, pixel.Blue];
            for (var i = 0; i < 3; i++)
            {
                var light = gain * (1 + tint * (i - 1)) * (1 + slope * (x / (Size - 1f) - .5f));
                color[i] = light * ((color[i] / 255 - .5f) * contrast + .5f) + Gaussian(random, grain);
            }
            weather(color, x, y);
            return new SKColor(ToByte(color[0]), ToByte(color[1]), ToByte(color[2]));
        })];
    }

    private static string Circle(float x, float y, float radius) =>
        $"M{x - radius},{y}A{radius},{radius} 0 1 1 {x + radius},{y}A{radius},{radius} 0 1 1 {x - radius},{y}Z";

    /// <summary>A curved arrow, anticlockwise, that begins at an angle and ends 112 degrees on.</summary>
    private static string Arrow(double start)
    {
        return $"M{At(.66, 0)}A.66,.66 0 0 0 {At(.66, 64)}L{At(.82, 64)}L{At(.53, 112)}L{At(.24, 64)}L{At(.4, 64)}"
            + $"A.4,.4 0 0 1 {At(.4, 0)}Z";

        string At(double radius, double turned)
        {
            var (sine, cosine) = Math.SinCos((start - turned) * Math.PI / 180);
            return $"{radius * cosine:F4},{radius * sine:F4}";
        }
    }

    /// <summary>A generator that depends on a name alone, on every machine and in every order of drawing.</summary>
    private static Random Seeded(string name) =>
        new(BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(name))));

    private static float Uniform(Random random, double low, double high) =>
        (float)(low + (high - low) * random.NextDouble());

    private static float Gaussian(Random random, double deviation) => (float)(deviation
        * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    /// <summary>A colour near another one.</summary>
    private static SKColor Mixed(Random random, float red, float green, float blue) => new(
        ToByte((red + Gaussian(random, 20)) / 255), ToByte((green + Gaussian(random, 20)) / 255),
        ToByte((blue + Gaussian(random, 20)) / 255));

    private static byte ToByte(float value) => (byte)(255 * Math.Clamp(value, 0, 1) + .5f);
}
