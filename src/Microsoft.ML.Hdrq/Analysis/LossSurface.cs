using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// The loss of a network as a function of the weights of its layers, and products of its Hessian with vectors.
/// Quantized weights are on their grid; activation quantizers are straight-through.
/// </summary>
internal sealed class LossSurface : IDisposable
{
    /// <summary>The step of a central difference, as a share of the norm of the weights.</summary>
    private const double Step = 1e-2;

    private readonly Network _network;
    private readonly ImmutableArray<Parameter> _weights;
    private readonly ImmutableArray<string> _names;
    private readonly HashSet<object> _weightQuantizers;
    private readonly Evaluation _evaluation;
    private readonly torch.Tensor? _targets;
    private readonly bool _isSmooth;

    /// <summary>Prepares a network.</summary>
    /// <param name="network">The network, on the device to compute on; not changed.</param>
    /// <param name="evaluation">The images, and their labels for cross-entropy. They must outlive the surface.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="mayDifferentiateTwice">
    /// False to take central differences even of twice differentiable networks.
    /// </param>
    public LossSurface(
        Network network, Evaluation evaluation, CurvatureLoss loss, bool mayDifferentiateTwice = true)
    {
        _evaluation = evaluation;
        using var scope = torch.NewDisposeScope();
        using var folded = FoldBatchNormalization.Apply(network);
        // Layers that the first output is not computed from have no part in the loss.
        var needed = NeededNodes.Backwards(folded.Graph.Nodes, [folded.Graph.Outputs[0].Name]).ToHashSet();
        var layers = folded.Graph.Layers.All.Where(layer => needed.Contains(layer.Node)).ToList();
        var byWeight = layers.DistinctBy(layer => layer.Weight)
            .ToDictionary(layer => layer.Weight, StringComparer.Ordinal);
        _weightQuantizers = layers.Select(layer => layer.WeightQuantizer?.Operator)
            .OfType<object>()
            .ToHashSet(ReferenceEqualityComparer.Instance);
        var weights = new Dictionary<string, Parameter>(StringComparer.Ordinal);
        var parameters = folded.Graph.Parameters.ToDictionary(definition => definition.Name, definition =>
        {
            if (!byWeight.TryGetValue(definition.Name, out var layer))
                return folded.Parameters[definition.Name].detach().clone();
            return weights[definition.Name] = new Parameter(layer.Value(folded));
        });
        _network = new Network(folded.Graph, parameters, folded.Device) { MaxValueSize = folded.MaxValueSize };
        _names = [.. byWeight.Keys];
        _weights = [.. byWeight.Keys.Select(name => weights[name])];
        _isSmooth = mayDifferentiateTwice
            && folded.Graph.Nodes.All(node => node.Operator.Traits.HasFlag(OperatorTraits.TwiceDifferentiable));
        Blocks =
        [
            .. from block in BlockPartition.Find(folded.Graph)
               let nodes = block.Nodes.ToHashSet()
               select (block.Name, layers.Where(layer => nodes.Contains(layer.Node))
                   .Select(layer => byWeight.Keys.ToList().IndexOf(layer.Weight))
                   .Distinct()
                   .ToImmutableArray()),
        ];
        _targets = loss == CurvatureLoss.Reconstruction
            ? Scores().MoveToOuterDisposeScope().DetachFromDisposeScope()
            : null;
    }

    /// <summary>The weights, on their grid.</summary>
    public ImmutableArray<Parameter> Weights => _weights;

    /// <summary>The blocks, and the zero-based indices of their weights among <see cref="Weights"/>.</summary>
    public ImmutableArray<(string Name, ImmutableArray<int> Weights)> Blocks { get; }

    /// <summary>Multiplies the Hessian in some of the weights by a vector.</summary>
    /// <param name="indices">The zero-based indices of these weights.</param>
    /// <param name="vector">The vector: a tensor for each weight, of its shape.</param>
    /// <param name="cancellationToken">Ends the computation between two batches.</param>
    /// <returns>The product, in the form of the vector, owned by the caller's scope.</returns>
    /// <exception cref="InvalidOperationException">It is not finite; the message names the weight.</exception>
    public torch.Tensor[] HessianProduct(
        ImmutableArray<int> indices, IReadOnlyList<torch.Tensor> vector, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        Parameter[] weights = [.. indices.Select(index => _weights[index])];
        var product = _isSmooth
            ? BySecondDerivative(weights, vector, cancellationToken)
            : ByDifference(weights, vector, cancellationToken);
        for (var i = 0; i < product.Length; i++)
        {
            if (!FiniteCheck.IsFinite(product[i]))
            {
                throw new InvalidOperationException(
                    $"The second derivative of the loss by weight '{_names[indices[i]]}' is not finite: the values of "
                    + "the images, or the network's weights, are too large, or the loss has a corner there.");
            }
        }
        foreach (var part in product)
            part.MoveToOuterDisposeScope();
        return product;
    }

    public void Dispose()
    {
        _network.Dispose();
        _targets?.Dispose();
    }

    private torch.Tensor[] BySecondDerivative(
        Parameter[] weights, IReadOnlyList<torch.Tensor> vector, CancellationToken cancellationToken) =>
        Sum(weights, loss =>
        {
            var gradients = torch.autograd.grad([loss], weights, create_graph: true, retain_graph: true);
            var along = gradients.Zip(vector, (gradient, direction) => gradient.mul(direction).sum())
                .Aggregate((sum, term) => sum.add(term, Scalars.One));
            // A loss that is linear in the weights has no second derivative to ask for.
            return along.requires_grad
                ? torch.autograd.grad([along], weights, allow_unused: true)
                : [.. weights.Select(weight => torch.zeros_like(weight))];
        }, cancellationToken);

    private torch.Tensor[] ByDifference(
        Parameter[] weights, IReadOnlyList<torch.Tensor> vector, CancellationToken cancellationToken)
    {
        var size = Step * Vectors.Norm(weights) / Math.Max(Vectors.Norm(vector), double.Epsilon);
        if (size == 0)
            size = Step;
        var before = weights.Select(weight => weight.detach().clone()).ToArray();
        var forward = At(size);
        var backward = At(-size);
        Move(0);
        return [.. forward.Zip(backward, (plus, minus) => plus.sub(minus).div(Scalars.Keep(2 * size)))];

        torch.Tensor[] At(double distance)
        {
            Move(distance);
            return Sum(weights, loss => torch.autograd.grad([loss], weights, allow_unused: true), cancellationToken);
        }

        void Move(double distance)
        {
            using var noGradients = torch.no_grad();
            for (var i = 0; i < weights.Length; i++)
                weights[i].copy_(distance == 0 ? before[i] : before[i].add(vector[i], Scalars.Keep(distance)));
        }
    }

    /// <summary>
    /// Sums over batches what a function makes of the loss of each; these losses sum to the loss of all.
    /// </summary>
    private torch.Tensor[] Sum(
        Parameter[] weights, Func<torch.Tensor, IList<torch.Tensor>> make, CancellationToken cancellationToken)
    {
        var sum = weights.Select(weight => torch.zeros(weight.shape, weight.dtype, weight.device)).ToArray();
        var batches = _evaluation.Batches(_network.Graph).ToList();
        var labels = _targets is null ? _evaluation.Labels.ne(Scalars.Keep(Evaluation.Ignored)) : null;
        var total = labels is null ? batches.Sum(batch => batch.Count) : labels.sum().item<long>();
        foreach (var (start, count) in batches)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var share = labels is null ? count : labels.narrow(0, start, count).sum().item<long>();
            if (share == 0)
                continue;
            using var scope = torch.NewDisposeScope();
            var scores = Run(start, count, ForwardMode.Gradient);
            var loss = _targets is null
                ? Evaluation.CrossEntropy(scores, _evaluation.Labels.narrow(0, start, count).to(scores.device))
                : scores.sub(_targets.narrow(0, start, count)).Squared().sum().div(Scalars.Keep(count));
            var parts = make(loss.mul(Scalars.Keep((double)share / total)));
            using var noGradients = torch.no_grad();
            for (var i = 0; i < sum.Length; i++)
            {
                // The weight of a layer that the scores do not depend on has no gradient.
                if (parts[i] is { } part && part.Handle != IntPtr.Zero)
                    sum[i].add_(part.detach(), Scalars.One);
            }
        }
        return sum;
    }

    private torch.Tensor Run(long start, long count, ForwardMode mode)
    {
        var context = new ComputeContext(mode, _network.Device)
        {
            Rounding = quantizer =>
                _weightQuantizers.Contains(quantizer) ? BypassRounding.Instance : NearestRounding.Instance,
        };
        return _network.Run([_evaluation.Images.narrow(0, start, count)], context)[0];
    }

    private torch.Tensor Scores()
    {
        using var scope = torch.NewDisposeScope();
        var scores = _evaluation.Batches(_network.Graph)
            .Select(batch => Run(batch.Start, batch.Count, ForwardMode.Inference));
        return torch.cat([.. scores]).MoveToOuterDisposeScope();
    }
}
