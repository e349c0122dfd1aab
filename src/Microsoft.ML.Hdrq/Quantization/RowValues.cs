using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// The values of a network that have a row for each image, which depends on this image alone. The first dimension of
/// other values is something else: the halves of a channel shuffle, for example. Only values with rows can be kept from
/// block to block, and taken apart into batches.
/// </summary>
internal sealed class RowValues
{
    /// <summary>The share of a row's elements that must not change when another image does.</summary>
    private const double MinShare = 0.999;

    /// <summary>The most elements of a row that are compared, or up to twice as many.</summary>
    private const long MostCompared = 1 << 18;

    private readonly Dictionary<string, long[]> _shapes = new(StringComparer.Ordinal);

    private RowValues()
    {
    }

    /// <summary>Finds the values by computing random images, with different ones beside them.</summary>
    /// <param name="network">The network, with one input.</param>
    /// <param name="images">Images, for their shape and range.</param>
    public static RowValues Find(Network network, torch.Tensor images)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var batch = NetworkBatches.FixedSize(network.Graph);
        var (many, few) = (batch ?? 3, batch ?? 2);
        using var generator = new torch.Generator(0);
        var (low, high) = (images.min().cpu(), images.max().cpu());
        var random = torch.rand([many + 1, .. images.shape[1..]], generator: generator)
            .mul(high.sub(low))
            .add(low, Scalars.One);
        var rows = new RowValues();
        var first = new Dictionary<string, (long[] Shape, torch.Tensor? Row)>(StringComparer.Ordinal);
        Run(random.narrow(0, 0, many), (name, value) =>
        {
            if (HasRows(value, many))
                first[name] = (value.shape[1..], Row(value)?.clone().MoveToOtherDisposeScope(scope));
        });
        // The second row is the same, the first is another, and where any number can be given there is one row less.
        Run(torch.cat([random.narrow(0, many, 1), random.narrow(0, 1, few - 1)]), (name, value) =>
        {
            if (HasRows(value, few)
                && first.TryGetValue(name, out var other)
                && value.shape.AsSpan(1).SequenceEqual(other.Shape)
                && (other.Row is null || IsSame(other.Row, Row(value)!)))
            {
                rows._shapes[name] = other.Shape;
            }
        });
        return rows;

        void Run(torch.Tensor input, Action<string, torch.Tensor> watch)
        {
            using var runScope = torch.NewDisposeScope();
            var context = new ComputeContext(ForwardMode.Inference, network.Device)
            {
                Rounding = _ => BypassRounding.Instance,
                Watch = watch,
            };
            watch(network.Graph.Inputs[0].Name, input);
            network.Run([input], context);
        }
    }

    /// <summary>Whether a value has a row for each image.</summary>
    public bool Has(string value) => _shapes.ContainsKey(value);

    /// <summary>The shape of a row of a value that has rows.</summary>
    public long[] Shape(string value) => _shapes[value];

    private static bool HasRows(torch.Tensor value, long count) => value.dim() > 0 && value.shape[0] == count;

    /// <summary>
    /// Elements of the second row, in even distances where it has many: rows of all values take gigabytes.
    /// </summary>
    private static torch.Tensor? Row(torch.Tensor value)
    {
        if (value.shape[0] < 2)
            return null;
        var row = value.select(0, 1).flatten();
        // An odd distance meets all channels, of which there is mostly an even number.
        return row.numel() <= MostCompared ? row : row.slice(0, 0, row.numel(), row.numel() / MostCompared | 1);
    }

    private static bool IsSame(torch.Tensor a, torch.Tensor b)
    {
        using var scope = torch.NewDisposeScope();
        if (a.numel() == 0)
            return true;
        var (x, y) = (a.to(torch.ScalarType.Float32), b.to(torch.ScalarType.Float32));
        var tolerance = 1e-4 * x.nan_to_num().abs().max().item<float>();
        var close = torch.isclose(x, y, 1e-3, tolerance, true);
        return close.to(torch.ScalarType.Float32).mean().item<float>() >= MinShare;
    }
}
