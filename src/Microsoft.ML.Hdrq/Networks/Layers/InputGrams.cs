using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>
/// Gram matrices of what goes into layers, <c>G = mean of x x^T</c>, where x are the inputs of one output position: what merging by regression asks of a site. Of each only the diagonal and <see cref="Rank"/> directions
/// are kept, <c>G = diag(d) + F F^T</c>, from which no image can be had back: some bytes for each input of a layer, where its weights are some for each input and output.
/// They travel in <see cref="Network.Metadata"/>, and so in ONNX files, under names that begin with <see cref="Prefix"/>.
/// </summary>
public static class InputGrams
{
    /// <summary>What the names of the entries begin with; the weight's name follows.</summary>
    public const string Prefix = "hdrq.input_gram/";

    /// <summary>The directions that are kept of each matrix, those of its largest eigenvalues.</summary>
    public const int Rank = 8;

    /// <summary>The most images that are looked at.</summary>
    internal const int MostImages = 256;

    /// <summary>Random directions by which the largest are found: some more than are kept (Halko, Martinsson and Tropp, "Finding Structure with Randomness", 2011).</summary>
    private const int SketchSize = 4 * Rank;

    /// <summary>Passes over the images: after the first, the directions in which they gave most take the place of random ones.</summary>
    private const int Passes = 2;

    /// <summary>Output positions of all images together by which a layer is measured, or all that there are: convolutions have many in each image.</summary>
    private const int EnoughRows = 32_768;

    /// <summary>The least eigenvalue that counts, relative to the largest.</summary>
    private const double LeastEigenvalue = 1e-6;

    /// <summary>Numbers that the windows of a convolution may take at a time.</summary>
    private const long MostNumbers = 1 << 24;

    /// <summary>Whether metadata has Gram matrices.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata) => metadata.Keys.Any(key => key.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Whether metadata has the Gram matrix of a weight's inputs.</summary>
    internal static bool AreIn(ImmutableSortedDictionary<string, string> metadata, string parameter) => metadata.ContainsKey(Prefix + parameter);

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

    /// <summary>The layers whose outputs are a matrix times their inputs: convolutions of one group over two dimensions, and linear layers; of those that share a weight the first.</summary>
    internal static IEnumerable<Layer> Layers(Graph graph) => AllLayers(graph).DistinctBy(layer => layer.Parameter);

    private static IEnumerable<Layer> AllLayers(Graph graph)
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
        var count = Math.Min(images.shape[0], MostImages);
        // Which positions are looked at does not depend on anything but their number.
        var random = new Random(0);
        var layers = Layers(network.Graph).ToList();
        var inputs = layers.ToLookup(layer => layer.Node.Inputs[0], StringComparer.Ordinal);
        var sketches = new Dictionary<string, Sketch>(StringComparer.Ordinal);
        var context = new ComputeContext(ForwardMode.Inference, network.Device);
        var watching = new ComputeContext(ForwardMode.Inference, network.Device) { Watch = Add };
        for (var pass = 0; pass < Passes; pass++)
        {
            foreach (var sketch in sketches.Values)
                sketch.Sharpen();
            for (long start = 0; start < count; start += batchSize)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var batchScope = torch.NewDisposeScope();
                var batch = images.narrow(0, start, Math.Min(batchSize, count - start)).to(network.Device);
                Add(network.Graph.Inputs[0].Name, batch);
                network.Run([batch], watching);
            }
        }
        network.Metadata = Without(network.Metadata).SetItems(layers.Where(layer => sketches.ContainsKey(layer.Parameter))
            .Select(layer => KeyValuePair.Create(Prefix + layer.Parameter, sketches[layer.Parameter].Encode())));

        void Add(string name, torch.Tensor value)
        {
            foreach (var layer in inputs[name])
            {
                using var layerScope = torch.NewDisposeScope();
                foreach (var rows in Rows(layer, value))
                {
                    if (!sketches.TryGetValue(layer.Parameter, out var sketch))
                        sketches.Add(layer.Parameter, sketch = new Sketch(rows.shape[1], rows.device, scope));
                    sketch.Add(rows);
                }
            }
        }

        IEnumerable<torch.Tensor> Rows(Layer layer, torch.Tensor value)
        {
            if (layer.Node.Operator is not Convolution convolution)
            {
                yield return Some(value.reshape(-1, value.shape[^1]), value.shape[0]);
                yield break;
            }
            var weight = network.Parameters[layer.Parameter].shape;
            var (height, width) = convolution.OutputSize(value, weight);
            // A grid of positions is laid out before some of them are drawn: most need not be looked at.
            var every = Math.Clamp((int)Math.Sqrt(height * width / Math.Max(1, EnoughRows / count)), 1, (int)Math.Min(height, width));
            var step = Math.Max(1, MostNumbers / (weight[1] * weight[2] * weight[3] * (height / every + 1) * (width / every + 1)));
            for (long image = 0; image < value.shape[0]; image += step)
            {
                using var chunkScope = torch.NewDisposeScope();
                var part = Math.Min(step, value.shape[0] - image);
                yield return Some(convolution.Windows(value.narrow(0, image, part), weight, context, every, random.Next(every), random.Next(every)), part);
            }
        }

        torch.Tensor Some(torch.Tensor rows, long images)
        {
            var wanted = Math.Max(1, EnoughRows / count) * images;
            if (rows.shape[0] <= wanted)
                return rows;
            var places = new long[wanted];
            for (var i = 0; i < places.Length; i++)
                places[i] = random.NextInt64(rows.shape[0]);
            return rows.index_select(0, torch.tensor(places, device: rows.device));
        }
    }

    /// <summary>A Gram matrix of metadata; null where there is none of this size.</summary>
    internal static InputGram? Read(ImmutableSortedDictionary<string, string> metadata, string parameter, long size) =>
        metadata.TryGetValue(Prefix + parameter, out var text) ? InputGram.Decode(text, size) : null;

    /// <summary>Sums by which a Gram matrix is found without being there: <c>Y = G Q</c> for few directions Q, and the diagonal.</summary>
    private sealed class Sketch
    {
        private readonly torch.Tensor _directions;
        private readonly torch.Tensor _product;
        private readonly torch.Tensor _diagonal;
        private long _count;

        public Sketch(long size, torch.Device device, DisposeScope scope)
        {
            using var generator = new torch.Generator((ulong)size);
            // All directions, where there are no more than are looked for.
            var directions = size <= SketchSize ? torch.eye(size, dtype: torch.ScalarType.Float64) : torch.randn([size, SketchSize], torch.ScalarType.Float64, generator: generator);
            _directions = directions.to(torch.ScalarType.Float32).to(device).MoveToOtherDisposeScope(scope);
            _product = torch.zeros(_directions.shape, torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
            _diagonal = torch.zeros([size], torch.ScalarType.Float64, device).MoveToOtherDisposeScope(scope);
        }

        /// <summary>Begins anew, with the directions that the sums point to.</summary>
        public void Sharpen()
        {
            using var scope = torch.NewDisposeScope();
            var (orthogonal, _) = torch.linalg.qr(_product.div(Scalars.Keep(_count)));
            _directions.copy_(orthogonal.to(torch.ScalarType.Float32));
            _product.zero_();
            _diagonal.zero_();
            _count = 0;
        }

        public void Add(torch.Tensor rows)
        {
            using var scope = torch.NewDisposeScope();
            _product.add_(rows.t().mm(rows.mm(_directions)), Scalars.One);
            _diagonal.add_(rows.square().sum(dim: 0), Scalars.One);
            _count += rows.shape[0];
        }

        /// <summary>Nystrom's approximation <c>Y (Q^T Y)^-1 Y^T</c>, of which the largest directions are kept, as text.</summary>
        public string Encode()
        {
            using var scope = torch.NewDisposeScope();
            var (directions, product) = (_directions.to(torch.ScalarType.Float64).cpu(), _product.cpu().div(Scalars.Keep(_count)));
            var core = directions.t().mm(product);
            var (values, vectors) = torch.linalg.eigh(core.add(core.t(), Scalars.One).div(Scalars.Keep(2)));
            // What is nearly 0 is rounding in single precision.
            var inverse = torch.where(values.gt(values.max().mul(Scalars.Keep(LeastEigenvalue))), values.rsqrt(), torch.zeros_like(values));
            var factor = product.mm(vectors.mul(inverse));
            var (left, singular, _) = torch.linalg.svd(factor, fullMatrices: false);
            var kept = Math.Min(Rank, singular.shape[0]);
            return InputGram.Of(_diagonal.cpu().div(Scalars.Keep(_count)), left.narrow(1, 0, kept).mul(singular.narrow(0, 0, kept))).Encode();
        }
    }
}
