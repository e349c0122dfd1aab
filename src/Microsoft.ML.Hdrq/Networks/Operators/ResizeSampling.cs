using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The positions in the data, and their weights, from which a resized axis is computed. Coordinates are in single
/// precision, as in ONNX Runtime, so that halves are rounded alike.
/// </summary>
internal sealed class ResizeSampling
{
    private readonly string _mode;
    private readonly string _coordinates;
    private readonly string _rounding;
    private readonly float _cubic;
    private readonly bool _excludeOutside;
    private readonly bool _antialias;

    public ResizeSampling(OperatorAttributes attributes)
    {
        _mode = OneOf("mode", "nearest", "linear", "cubic");
        _coordinates = OneOf(
            "coordinate_transformation_mode",
            "half_pixel",
            "pytorch_half_pixel",
            "align_corners",
            "asymmetric",
            "half_pixel_symmetric");
        _rounding = OneOf("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil");
        _cubic = attributes.Float("cubic_coeff_a", -0.75f);
        _excludeOutside = attributes.Integer("exclude_outside", 0) != 0;
        _antialias = attributes.Integer("antialias", 0) != 0;

        string OneOf(string name, params string[] known)
        {
            var value = attributes.Text(name, known[0]);
            return known.Contains(value)
                ? value
                : throw new InvalidDataException(
                    $"Attribute '{name}' is '{value}'; supported are {string.Join(", ", known)}.");
        }
    }

    /// <summary>Whether the interpolation is cubic.</summary>
    public bool IsCubic => _mode == "cubic";

    /// <summary>
    /// Torch's own interpolation where it computes the same; otherwise null. Its gradient is faster than that of a
    /// gather.
    /// </summary>
    public (torch.InterpolationMode Mode, bool? AlignCorners)? TorchMode(
        torch.Tensor data,
        long[] shape,
        float[] scales)
    {
        if (_mode != "linear"
            || data.dim() != 4
            || !data.is_floating_point()
            || shape[0] != data.shape[0]
            || shape[1] != data.shape[1])
        {
            return null;
        }
        if (scales.Where((scale, d) => !IsExact(scale, d)).Any())
            return null;
        return _coordinates switch
        {
            "align_corners" => (torch.InterpolationMode.Bilinear, true),
            "half_pixel" => (torch.InterpolationMode.Bilinear, false),
            "pytorch_half_pixel" when shape[2] > 1 && shape[3] > 1 => (torch.InterpolationMode.Bilinear, false),
            _ => null,
        };

        // With the filter, only enlarging is the same.
        bool IsExact(float scale, int d) => !(_antialias && scale < 1) && IsSize(scale, d);

        bool IsSize(float scale, int d) =>
            scale * data.shape[d] == shape[d] || scale == (float)shape[d] / data.shape[d];
    }

    /// <summary>Resizes one axis: a differentiable weighted sum of gathered slices.</summary>
    public torch.Tensor Resample(torch.Tensor data, int axis, long size, float scale, ComputeContext context)
    {
        // Positions along the axis, too, take memory.
        context.CheckSize([size], torch.ScalarType.Int64);
        if (_mode != "nearest" && !data.is_floating_point())
            throw new InvalidDataException($"Resizing in mode '{_mode}' needs floating-point data.");
        var length = data.shape[axis];
        var places = new float[size];
        for (var i = 0L; i < size; i++)
            places[i] = Original(i, length, size, scale);
        if (_mode == "nearest")
            return Slices(data, axis, [.. places.Select(place => Math.Clamp(Nearest(place), 0, length - 1))]);

        if (_antialias && scale < 1)
            return Filtered(data, axis, places, scale, context);
        var taps = _mode == "linear" ? Linear(places, length) : Cubic(places, length);
        var broadcast = Enumerable.Repeat(1L, (int)data.dim() - axis - 1);
        torch.Tensor? sum = null;
        foreach (var (indices, weights) in taps)
        {
            var weight = TensorData.Of<float>(weights, size).ToTorch()
                .to(data.dtype, data.device)
                .reshape([-1, .. broadcast]);
            var part = Slices(data, axis, indices).mul(weight);
            sum = sum is null ? part : sum.add(part, Scalars.One);
        }
        return sum!;
    }

    /// <summary>
    /// Reduces an axis with the kernel of the mode stretched over all elements that become one.
    /// </summary>
    private torch.Tensor Filtered(
        torch.Tensor data, int axis, float[] places, float scale, ComputeContext context)
    {
        var length = data.shape[axis];
        var radius = (_mode == "linear" ? 1 : 2) / scale;
        context.CheckSize([places.Length, length], torch.ScalarType.Float32);
        var matrix = new float[places.Length * length];
        for (var i = 0; i < places.Length; i++)
        {
            var row = matrix.AsSpan((int)(i * length), (int)length);
            var center = places[i] + 0.5f;
            var first = (long)MathF.Floor(center - radius + 0.5f);
            var last = (long)MathF.Floor(center + radius + 0.5f);
            var sum = 0f;
            for (var x = first; x < last; x++)
            {
                if (_excludeOutside && (x < 0 || x >= length))
                    continue;
                var weight = Kernel((x - center + 0.5f) * scale);
                row[(int)Math.Clamp(x, 0, length - 1)] += weight;
                sum += weight;
            }
            foreach (ref var weight in row)
                weight /= sum;
        }
        var weights = TensorData.Of<float>(matrix, places.Length, length).ToTorch().to(data.dtype, data.device);
        return data.transpose(axis, -1).matmul(weights.t()).transpose(axis, -1).contiguous();

        float Kernel(float distance)
        {
            var x = MathF.Abs(distance);
            if (_mode == "linear")
                return Math.Max(0, 1 - x);
            return x < 1 ? CubicWeights(x)[1] : x < 2 ? CubicWeights(x - 1)[0] : 0;
        }
    }

    private static torch.Tensor Slices(torch.Tensor data, int axis, long[] indices) =>
        data.index_select(axis, HostValues.Tensor(indices).to(data.device));

    private float Original(float place, long length, long size, float scale) => _coordinates switch
    {
        "asymmetric" => place / scale,
        "align_corners" => size == 1 ? 0 : place * (length - 1) / (size - 1),
        "pytorch_half_pixel" => size == 1 ? 0 : (place + 0.5f) / scale - 0.5f,
        "half_pixel_symmetric" => length / 2f * (1 - size / (scale * length)) + (place + 0.5f) / scale - 0.5f,
        _ => (place + 0.5f) / scale - 0.5f,
    };

    private long Nearest(float place) => (long)(_rounding switch
    {
        "floor" => MathF.Floor(place),
        "ceil" => MathF.Ceiling(place),
        "round_prefer_ceil" => MathF.Floor(place + 0.5f),
        _ => MathF.Ceiling(place - 0.5f),
    });

    private static IEnumerable<(long[] Indices, float[] Weights)> Linear(float[] places, long length)
    {
        var inside = Array.ConvertAll(places, place => Math.Clamp(place, 0, length - 1));
        yield return (
            [.. inside.Select(place => (long)place)],
            [.. inside.Select(place => 1 - (place - MathF.Floor(place)))]);
        yield return (
            [.. inside.Select(place => Math.Min((long)place + 1, length - 1))],
            [.. inside.Select(place => place - MathF.Floor(place))]);
    }

    private IEnumerable<(long[] Indices, float[] Weights)> Cubic(float[] places, long length)
    {
        var weights = Array.ConvertAll(places, place => CubicWeights(place - MathF.Floor(place)));
        if (_excludeOutside)
        {
            for (var i = 0; i < places.Length; i++)
            {
                for (var tap = 0; tap < 4; tap++)
                {
                    var index = (long)MathF.Floor(places[i]) + tap - 1;
                    weights[i][tap] = index >= 0 && index < length ? weights[i][tap] : 0;
                }
                var sum = weights[i].Sum();
                weights[i] = Array.ConvertAll(weights[i], weight => weight / sum);
            }
        }
        for (var tap = 0; tap < 4; tap++)
        {
            yield return (
                [.. places.Select(place => Math.Clamp((long)MathF.Floor(place) + tap - 1, 0, length - 1))],
                [.. weights.Select(four => four[tap])]);
        }
    }

    /// <summary>Keys' cubic convolution kernel at the distances 1 + t, t, 1 - t and 2 - t.</summary>
    private float[] CubicWeights(float t)
    {
        var a = _cubic;
        return [Far(1 + t), Near(t), Near(1 - t), Far(2 - t)];

        float Near(float x) => ((a + 2) * x - (a + 3)) * x * x + 1;

        float Far(float x) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    }
}
