namespace Hdrq.Samples.Drawing;

/// <summary>Clouds.</summary>
internal static class SmoothNoise
{
    /// <summary>Smooth noise in [0, 1] per pixel: random grids of 2 to 16 cells, each weighted 0.6 of the coarser one.</summary>
    public static float[] Draw(int width, int height, Random random)
    {
        var noise = new float[width * height];
        var weight = 1f;
        for (var cells = 2; cells <= 16; cells *= 2, weight *= 0.6f)
        {
            var grid = new float[(cells + 1) * (cells + 1)];
            for (var i = 0; i < grid.Length; i++)
                grid[i] = weight * random.NextSingle();
            for (var y = 0; y < height; y++)
            {
                for (var x = 0; x < width; x++)
                    noise[y * width + x] += Interpolate(grid, cells, (float)x / width * cells, (float)y / height * cells);
            }
        }
        var (low, high) = (noise.Min(), noise.Max());
        for (var i = 0; i < noise.Length; i++)
            noise[i] = (noise[i] - low) / (high - low);
        return noise;
    }

    private static float Interpolate(float[] grid, int cells, float x, float y)
    {
        var (column, row) = ((int)x, (int)y);
        var (u, v) = (Ease(x - column), Ease(y - row));
        var corner = row * (cells + 1) + column;
        var top = grid[corner] * (1 - u) + grid[corner + 1] * u;
        var bottom = grid[corner + cells + 1] * (1 - u) + grid[corner + cells + 2] * u;
        return top * (1 - v) + bottom * v;
    }

    private static float Ease(float t) => t * t * (3 - 2 * t);
}
