using SkiaSharp;

namespace SegmentationMerge.StreetScenes;

/// <summary>A camera that looks along the street, from above its middle. Places are in metres: to the right of the camera, above the ground, and away from the camera.</summary>
/// <param name="Vanishing">The pixel where the street ends.</param>
/// <param name="Focal">Pixels for each metre, one metre away.</param>
/// <param name="Height">Of the camera, above the ground.</param>
internal readonly record struct StreetCamera(SKPoint Vanishing, float Focal, float Height)
{
    /// <summary>The pixel of a place.</summary>
    public SKPoint Project(float right, float above, float away) => new(Vanishing.X + Focal * right / away, Vanishing.Y + Focal * (Height - above) / away);

    /// <summary>How far away the ground is that a row of pixels shows; endless at the horizon and above.</summary>
    public float Ground(float y) => y > Vanishing.Y ? Focal * Height / (y - Vanishing.Y) : float.PositiveInfinity;

    /// <summary>How far away a wall along the street is that a column of pixels shows.</summary>
    public float Wall(float x, float right) => (x - Vanishing.X) * right > 0 ? Focal * right / (x - Vanishing.X) : float.PositiveInfinity;
}
