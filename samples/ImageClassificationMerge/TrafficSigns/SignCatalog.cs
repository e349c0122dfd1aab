using System.Globalization;
using SkiaSharp;

namespace ImageClassificationMerge.TrafficSigns;

/// <summary>The ten signs. Letters and digits are paths, so no font is needed.</summary>
internal static class SignCatalog
{
    private static readonly SKColor _red = new(196, 24, 38);
    private static readonly SKColor _blue = new(20, 78, 172);
    private static readonly SKColor _yellow = new(246, 192, 20);
    private static readonly SKColor _white = new(242, 242, 238);
    private static readonly SKColor _black = new(24, 24, 26);

    private const string Square = "M-.78,-.92H.78Q.92,-.92 .92,-.78V.78Q.92,.92 .78,.92H-.78Q-.92,.92 -.92,.78V-.78Q-.92,-.92 -.78,-.92Z";

    /// <summary>The designs, in ordinal order of their names; a design's place is its class index.</summary>
    public static IReadOnlyList<SignDesign> Designs { get; } =
    [
        new("keep_right",
            new(Circle(0, 0, 1), _white),
            new(Circle(0, 0, .91f), _blue),
            new("M-.48,-.48L.2,.2", _white, .26f),
            new("M.56,.56V-.22L-.22,.56Z", _white)),
        new("no_entry",
            new(Circle(0, 0, 1), _white),
            new(Circle(0, 0, .93f), _red),
            new("M-.66,-.19H.66V.19H-.66Z", _white)),
        new("parking",
            new(Square, _white),
            new(Square, _blue, .1f),
            new("M-.84,-.84H.84V.84H-.84Z", _blue),
            new("M-.28,.66V-.52H.08Q.44,-.52 .44,-.18Q.44,.16 .08,.16H-.28", _white, .27f)),
        new("pedestrian_crossing",
            new(Square, _white),
            new(Square, _blue, .1f),
            new("M-.84,-.84H.84V.84H-.84Z", _blue),
            new("M0,-.76L.76,.64H-.76Z", _white),
            new(Circle(.03f, -.3f, .11f), _black),
            new("M.02,-.16L-.02,.14L-.24,.5M-.02,.14L.2,.5M.01,-.08L-.22,.1M.01,-.08L.24,.08", _black, .12f),
            new("M-.5,.57H-.32M-.12,.57H.08M.3,.57H.5", _black, .1f)),
        new("priority_road",
            new("M0,-1L1,0L0,1L-1,0Z", _white),
            new("M0,-1L1,0L0,1L-1,0Z", _black, .04f),
            new("M0,-.7L.7,0L0,.7L-.7,0Z", _yellow)),
        new("roundabout",
            new(Circle(0, 0, 1), _white),
            new(Circle(0, 0, .91f), _blue),
            new(RingArrow(-80), _white),
            new(RingArrow(40), _white),
            new(RingArrow(160), _white)),
        new("speed_limit_50",
            new(Circle(0, 0, 1), _red),
            new(Circle(0, 0, .75f), _white),
            new("M-.1,-.38H-.43L-.46,-.03Q-.36,-.11 -.26,-.11Q-.08,-.1 -.08,.13Q-.09,.38 -.3,.38Q-.43,.38 -.5,.27", _black, .15f),
            new("M.3,-.38Q.5,-.38 .5,0Q.5,.38 .3,.38Q.1,.38 .1,0Q.1,-.38 .3,-.38Z", _black, .15f)),
        new("stop",
            new("M-.41,-1H.41L1,-.41V.41L.41,1H-.41L-1,.41V-.41Z", _white),
            new("M-.38,-.91H.38L.91,-.38V.38L.38,.91H-.38L-.91,.38V-.38Z", _red),
            new("M-.46,-.22Q-.5,-.32 -.6,-.32Q-.74,-.32 -.74,-.16Q-.74,-.03 -.6,0Q-.45,.04 -.45,.17Q-.45,.32 -.6,.32Q-.71,.32 -.75,.21", _white, .13f),
            new("M-.37,-.32H-.03M-.2,-.32V.38", _white, .13f),
            new("M.2,-.32Q.34,-.32 .34,0Q.34,.32 .2,.32Q.06,.32 .06,0Q.06,-.32 .2,-.32Z", _white, .13f),
            new("M.49,.38V-.32H.6Q.75,-.32 .75,-.13Q.75,.06 .6,.06H.49", _white, .13f)),
        new("warning",
            new("M0,-.86L.92,.76H-.92Z", _red),
            new("M0,-.86L.92,.76H-.92Z", _red, .14f),
            new("M0,-.5L.62,.6H-.62Z", _white),
            new("M-.11,-.2H.11L.06,.27H-.06Z", _black),
            new(Circle(0, .43f, .1f), _black)),
        new("yield",
            new("M0,.86L.92,-.76H-.92Z", _red),
            new("M0,.86L.92,-.76H-.92Z", _red, .14f),
            new("M0,.45L.59,-.58H-.59Z", _white)),
    ];

    private static string Circle(float x, float y, float radius) =>
        string.Create(CultureInfo.InvariantCulture, $"M{x - radius},{y}A{radius},{radius} 0 1 1 {x + radius},{y}A{radius},{radius} 0 1 1 {x - radius},{y}Z");

    /// <summary>A curved arrow, anticlockwise as in right-hand traffic, that ends 112 degrees after <paramref name="start"/>.</summary>
    private static string RingArrow(double start)
    {
        const double outer = .66, inner = .4, tip = .53;
        string Point(double radius, double turned)
        {
            var angle = (start - turned) * Math.PI / 180;
            return string.Create(CultureInfo.InvariantCulture, $"{radius * Math.Cos(angle):F4},{radius * Math.Sin(angle):F4}");
        }

        return string.Create(
            CultureInfo.InvariantCulture,
            $"M{Point(outer, 0)}A{outer},{outer} 0 0 0 {Point(outer, 64)}L{Point(outer + .16, 64)}L{Point(tip, 112)}L{Point(inner - .16, 64)}L{Point(inner, 64)}A{inner},{inner} 0 0 1 {Point(inner, 0)}Z");
    }
}
