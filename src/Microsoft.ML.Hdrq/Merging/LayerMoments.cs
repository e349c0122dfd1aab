using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// First and second moments of what a layer reads in one network, x, and of the outputs t that are wanted for it, all
/// in double precision.
/// </summary>
/// <param name="InputMean">The mean of x, [inputs].</param>
/// <param name="OutputMean">The mean of t, [outputs].</param>
/// <param name="Inputs">The covariance of x, [inputs, inputs].</param>
/// <param name="Cross">The covariance of t and x, [outputs, inputs].</param>
internal sealed record LayerMoments(
    torch.Tensor InputMean, torch.Tensor OutputMean, torch.Tensor Inputs, torch.Tensor Cross) : IDisposable
{
    /// <summary>The number of images in a batch, where a network takes any number.</summary>
    public const int BatchSize = 32;

    /// <summary>A run of a network on a place's images, of which layers can be measured one after another.</summary>
    /// <param name="network">The network, merged or the place's own.</param>
    /// <param name="images">The place's images, [images, ...].</param>
    /// <param name="budget">The most bytes that the run keeps.</param>
    public static StepwiseRun Run(Network network, torch.Tensor images, long budget = 0) =>
        new(network, images, BatchSize, budget);

    /// <summary>Measures layers of a merged network that is to do what another one does.</summary>
    /// <param name="merged">The merged network, whose inputs of layers count, on a place's images.</param>
    /// <param name="site">The network whose outputs of layers are wanted, with the same graph, on the same images and
    /// the same device.</param>
    /// <param name="layers">The layers of the merged network.</param>
    /// <param name="cancellationToken">Cancels the computation between two batches.</param>
    /// <returns>The moments by the names of the layers' weights, on the CPU, owned by the caller's scope.</returns>
    public static IReadOnlyDictionary<string, LayerMoments> Measure(
        StepwiseRun merged, StepwiseRun site, IReadOnlyList<Layer> layers, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        var graph = merged.Network.Graph;
        var context = new ComputeContext(ForwardMode.Inference, merged.Network.Device);
        context.Limit(merged.Network.MaxValueSize, BatchSize);
        // Graphs are equal if their nodes are, in this order; values may have other names.
        var outputs = layers.ToDictionary(
            layer => layer.Weight,
            layer => site.Network.Graph.Nodes[graph.Nodes.IndexOf(new MergedLayer(layer, graph).Last)].Outputs[0]);
        var inputs = layers.Select(layer => layer.Input).ToHashSet(StringComparer.Ordinal);
        // The positions of a layer depend on nothing but itself, and so not on which others are measured with it.
        var rows = layers.ToDictionary(
            layer => layer.Weight, _ => new LayerRows(merged.Images, context, new Random(0)));
        var sums = new Dictionary<string, Sums>(StringComparer.Ordinal);
        for (var batch = 0; batch < merged.Batches; batch++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = torch.NewDisposeScope();
            var (read, wanted) = (merged.Values(batch, inputs), site.Values(batch, outputs.Values));
            foreach (var layer in layers)
            {
                foreach (var (x, t) in rows[layer.Weight].Of(layer, read[layer.Input], wanted[outputs[layer.Weight]]))
                {
                    if (!sums.TryGetValue(layer.Weight, out var sum))
                        sums.Add(layer.Weight, sum = new Sums(x, t!, scope));
                    sum.Add(x, t!);
                }
            }
        }
        return sums.ToDictionary(sum => sum.Key, sum => sum.Value.Moments(), StringComparer.Ordinal);
    }

    /// <summary>Takes the moments out of their scope: the caller owns them.</summary>
    public LayerMoments Detach()
    {
        foreach (var tensor in Tensors)
            tensor.DetachFromDisposeScope();
        return this;
    }

    /// <summary>Writes the moments.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(InputMean.shape[0]);
        writer.Write(OutputMean.shape[0]);
        foreach (var tensor in Tensors)
            writer.WriteTensor(tensor);
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    public static LayerMoments Read(BinaryReader reader)
    {
        using var scope = torch.NewDisposeScope();
        var (inputs, outputs) = (reader.ReadInt64(), reader.ReadInt64());
        return new LayerMoments(Tensor(inputs), Tensor(outputs), Tensor(inputs, inputs), Tensor(outputs, inputs)).Keep();

        torch.Tensor Tensor(params long[] shape) =>
            reader.ReadTensor(torch.zeros(shape, torch.ScalarType.Float64)).ToTorch();
    }

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }

    private torch.Tensor[] Tensors => [InputMean, OutputMean, Inputs, Cross];

    /// <summary>Moves the moments to the outer scope.</summary>
    private LayerMoments Keep()
    {
        foreach (var tensor in Tensors)
            tensor.MoveToOuterDisposeScope();
        return this;
    }

    /// <summary>Sums of differences from the first rows' means, so that they stay exact where means are large.</summary>
    private sealed class Sums
    {
        private readonly torch.Tensor _inputOrigin, _outputOrigin, _inputs, _outputs, _products, _cross;
        private long _count;

        public Sums(torch.Tensor x, torch.Tensor t, DisposeScope scope)
        {
            (_inputOrigin, _outputOrigin) = (Own(x.mean([0])), Own(t.mean([0])));
            (_inputs, _outputs) = (Zeros(x.shape[1]), Zeros(t.shape[1]));
            (_products, _cross) = (Zeros(x.shape[1], x.shape[1]), Zeros(t.shape[1], x.shape[1]));

            torch.Tensor Own(torch.Tensor tensor) => tensor.MoveToOtherDisposeScope(scope);

            torch.Tensor Zeros(params long[] shape) => Own(torch.zeros(shape, torch.ScalarType.Float64, x.device));
        }

        public void Add(torch.Tensor x, torch.Tensor t)
        {
            using var scope = torch.NewDisposeScope();
            (x, t) = (x.sub(_inputOrigin), t.sub(_outputOrigin));
            _inputs.add_(x.sum(dim: 0), Scalars.One);
            _outputs.add_(t.sum(dim: 0), Scalars.One);
            _products.add_(x.t().mm(x), Scalars.One);
            _cross.add_(t.t().mm(x), Scalars.One);
            _count += x.shape[0];
        }

        public LayerMoments Moments()
        {
            using var scope = torch.NewDisposeScope();
            var count = Scalars.Keep(_count);
            var (x, t) = (_inputs.div(count), _outputs.div(count));
            return new LayerMoments(
                x.add(_inputOrigin, Scalars.One).cpu(),
                t.add(_outputOrigin, Scalars.One).cpu(),
                _products.div(count).sub(x.outer(x)).cpu(),
                _cross.div(count).sub(t.outer(x)).cpu()).Keep().Keep();
        }
    }
}
