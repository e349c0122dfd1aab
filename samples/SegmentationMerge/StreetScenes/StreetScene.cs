using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>What there is to see in a street: outlines with classes, from back to front. The image and its mask are both drawn from it.</summary>
internal sealed class StreetScene(StreetCamera camera) : IDisposable
{
    private readonly List<ScenePart> _parts = [];

    public StreetCamera Camera => camera;

    /// <summary>The outlines, those behind first.</summary>
    public IReadOnlyList<ScenePart> Parts => _parts;

    /// <summary>The lamps.</summary>
    public List<SceneLight> Lights { get; } = [];

    /// <summary>Adds an outline that faces the camera.</summary>
    /// <param name="kind">What it belongs to.</param>
    /// <param name="away">How far away it is.</param>
    /// <param name="colour">Its colour by day.</param>
    /// <param name="draw">Draws the outline, in pixels.</param>
    public void Add(StreetClass kind, float away, SKColor colour, Action<SKPath> draw) => Add(kind, (_, _) => away, colour, colour, draw);

    /// <summary>Adds an outline.</summary>
    public void Add(StreetClass kind, Func<float, float, float> depth, SKColor colour, SKColor lower, Action<SKPath> draw)
    {
        var outline = new SKPath();
        _parts.Add(new ScenePart(kind, outline, colour, lower, depth));
        draw(outline);
    }

    /// <summary>Adds an upright rectangle that faces the camera.</summary>
    /// <param name="kind">What it belongs to.</param>
    /// <param name="left">Its left edge, in metres.</param>
    /// <param name="bottom">Its lower edge.</param>
    /// <param name="width">Its width.</param>
    /// <param name="height">Its height.</param>
    /// <param name="away">How far away it is.</param>
    /// <param name="colour">Its colour by day.</param>
    public void AddBox(StreetClass kind, float left, float bottom, float width, float height, float away, SKColor colour)
    {
        var (upper, lower) = (camera.Project(left, bottom + height, away), camera.Project(left + width, bottom, away));
        Add(kind, away, colour, path => path.AddRect(new SKRect(upper.X, upper.Y, lower.X, lower.Y)));
    }

    /// <summary>Adds an ellipse that faces the camera; centre and radii are in metres.</summary>
    public void AddOval(StreetClass kind, float right, float above, float radiusX, float radiusY, float away, SKColor colour)
    {
        var centre = camera.Project(right, above, away);
        var (x, y) = (radiusX * camera.Focal / away, radiusY * camera.Focal / away);
        Add(kind, away, colour, path => path.AddOval(new SKRect(centre.X - x, centre.Y - y, centre.X + x, centre.Y + y)));
    }

    public void Dispose()
    {
        foreach (var part in _parts)
            part.Outline.Dispose();
    }
}
