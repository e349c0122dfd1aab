using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Microsoft.ML.Hdrq.Networks.Operators;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Gram matrices of what goes into layers, <c>G = mean of x x^T</c>, where x are the inputs of one output position: what merging by regression asks of a site, and from which no image can be had back one by one.
/// They travel in <see cref="Network.Metadata"/>, and so in ONNX files, under names that begin with <see cref="Prefix"/>: for each weight the upper triangle in half precision, base64.
/// </summary>
public static class InputGrams
{
    /// <summary>What the names of the entries begin with; the weight's name follows.</summary>
    public const string Prefix = "hdrq.input_gram/";

    /// <summary>The most images that are looked at.</summary>
    internal const int MostImages = 256;

    /// <summary>Rows after which a layer is no longer looked at: convolutions have many in each image.</summary>
    private const long EnoughRows = 32_768;

    /// <summary>Whether metadata has Gram matrices.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata) => metadata.Keys.Any(key => key.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Metadata without Gram matrices.</summary>
    internal static ImmutableSortedDictionary<string, string> Without(ImmutableSortedDictionary<string, string> metadata) =>
        metadata.RemoveRange(metadata.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)));

    /// <summary>A layer that has a Gram matrix.</summary>
    /// <param name="Node">The layer.</param>
    /// <param name="Parameter">The name of its weight.</param>
    /// <param name="OutputAxis">The axis of the weight's output channels.</param>
    internal sealed record Layer(GraphNode Node, string Parameter, int OutputAxis)
    {
        /// <summary>How many inputs an output position has.</summary>
        public long InputSize(ReadOnlySpan<long> weightShape)
        {
            var size = 1L;
            for (var axis = 0; axis < weightShape.Length; axis++)
                size *= axis == OutputAxis ? 1 : weightShape[axis];
            return size;
        }
    }

    /// <summary>The layers whose outputs are a matrix times their inputs: convolutions of one group over two dimensions, and linear layers.</summary>
    internal static IEnumerable<Layer> Layers(Graph graph)
    {
        var flow = new DataFlow(graph);
        var parameters = graph.Parameters.ToDictionary(parameter => parameter.Name, StringComparer.Ordinal);
        foreach (var node in graph.Nodes)
        {
            if (flow.WeightInput(node) is not { } weight)
                continue;
            var name = flow.Definer(weight) is { Operator: FakeQuantize } quantizer ? quantizer.Inputs[0] : weight;
            if (!parameters.TryGetValue(name, out var parameter))
                continue;
            var rank = parameter.Shape.Length;
            if (node.Operator is Convolution { Groups: 1 } && rank == 4 || node.Operator is Gemm { TransposeA: false } or MatMul && rank == 2)
                yield return new Layer(node, name, DataFlow.OutputAxis(node, rank));
        }
    }

    /// <summary>Computes the Gram matrices of a network on images, and adds them to its metadata.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">[images, ...], at least one; the first <see cref="MostImages"/> are looked at.</param>
    /// <param name="batchSize">Images that are computed together.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    internal static void Collect(Network network, torch.Tensor images, int batchSize, CancellationToken cancellationToken)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var layers = Layers(network.Graph).ToList();
        var inputs = layers.ToLookup(layer => layer.Node.Inputs[0], StringComparer.Ordinal);
        var sums = new Dictionary<string, torch.Tensor>(StringComparer.Ordinal);
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        var watching = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Add };
        var count = Math.Min(images.shape[0], MostImages);
        for (long start = 0; start < count; start += batchSize)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            var batch = images.narrow(0, start, Math.Min(batchSize, count - start)).to(network.Device);
            Add(network.Graph.Inputs[0].Name, batch);
            network.Run([batch], watching);
        }
        network.Metadata = Without(network.Metadata).SetItems(layers.Where(layer => sums.ContainsKey(layer.Parameter))
            .DistinctBy(layer => layer.Parameter).Select(layer => KeyValuePair.Create(Prefix + layer.Parameter, Encode(sums[layer.Parameter].div(Scalars.Keep(counts[layer.Parameter]))))));

        void Add(string name, torch.Tensor value)
        {
            foreach (var layer in inputs[name])
            {
                if (counts.GetValueOrDefault(layer.Parameter) >= EnoughRows)
                    continue;
                using var layerScope = torch.NewDisposeScope();
                var rows = layer.Node.Operator is Convolution convolution ? convolution.Windows(value, network.Parameters[layer.Parameter].shape, context) : value.reshape(-1, value.shape[^1]);
                var gram = rows.t().mm(rows).to(torch.ScalarType.Float64);
                if (sums.TryGetValue(layer.Parameter, out var sum))
                    sum.add_(gram, Scalars.One);
                else
                    sums.Add(layer.Parameter, gram.MoveToOtherDisposeScope(scope));
                counts[layer.Parameter] = counts.GetValueOrDefault(layer.Parameter) + rows.shape[0];
            }
        }
    }

    /// <summary>A Gram matrix of metadata, [size, size], in double precision; null where there is none of this size.</summary>
    internal static torch.Tensor? Read(ImmutableSortedDictionary<string, string> metadata, string parameter, long size)
    {
        if (!metadata.TryGetValue(Prefix + parameter, out var text))
            return null;
        var bytes = new byte[text.Length];
        var count = size * (size + 1) / 2;
        if (!Convert.TryFromBase64String(text, bytes, out var length) || length != 4 + 2 * count)
            return null;
        var largest = BitConverter.ToSingle(bytes);
        var triangle = MemoryMarshal.Cast<byte, Half>(bytes.AsSpan(4, length - 4));
        var values = new double[size * size];
        var next = 0;
        for (var row = 0L; row < size; row++)
        {
            for (var column = row; column < size; column++)
                values[row * size + column] = values[column * size + row] = (double)triangle[next++] * largest;
        }
        return values.All(double.IsFinite) ? torch.tensor(values).reshape(size, size) : null;
    }

    /// <summary>The largest magnitude, and the upper triangle in units of it.</summary>
    private static string Encode(torch.Tensor gram)
    {
        var size = (int)gram.shape[0];
        var values = gram.cpu().contiguous().data<double>().ToArray();
        var largest = Math.Max(float.Epsilon, (float)values.Max(Math.Abs));
        var bytes = new byte[4 + (long)size * (size + 1)];
        BitConverter.TryWriteBytes(bytes, largest);
        var triangle = MemoryMarshal.Cast<byte, Half>(bytes.AsSpan(4));
        var next = 0;
        for (var row = 0; row < size; row++)
        {
            for (var column = row; column < size; column++)
                triangle[next++] = (Half)(values[row * size + column] / largest);
        }
        return Convert.ToBase64String(bytes);
    }
}
