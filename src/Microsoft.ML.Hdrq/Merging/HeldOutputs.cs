using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// How far training moves the outputs of a network's layers at places whose images are elsewhere, by the moments of the
/// layers' inputs there: for a change D of the weights and c of the bias, <c>E |D x + c|^2</c> for inputs x with these
/// moments, relative to how much the outputs vary, in the mean of all layers and places.
/// </summary>
internal sealed class HeldOutputs : IDisposable
{
    /// <summary>Outputs that do not vary would have no size.</summary>
    private const double Tiny = 1e-12;

    private readonly List<HeldLayer> _layers = [];
    private readonly List<torch.Tensor> _owned = [];

    /// <summary>Holds a network where it is.</summary>
    /// <param name="network">The merged network, which keeps moments.</param>
    /// <param name="places">The places to hold it to, among those of the networks that it was merged from.</param>
    /// <exception cref="ArgumentException">It keeps none of a layer.</exception>
    public HeldOutputs(Network network, IReadOnlyList<int> places)
    {
        using var noGradients = torch.no_grad();
        try
        {
            foreach (var layer in network.Graph.Layers.MatrixProducts)
            {
                using var layerScope = torch.NewDisposeScope();
                var merged = new MergedLayer(layer, network.Graph);
                var (matrix, bias) = merged.Of(network);
                (matrix, bias) = (matrix.clone(), bias.clone());
                var grams = places
                    .Select(place => Read(network, place, layer, merged.Inputs, matrix))
                    .ToImmutableArray();
                var size = grams.Average(gram => Spread(matrix, gram).item<float>()) + Tiny;
                _owned.AddRange(grams.SelectMany(gram => new[] { gram.Mean, gram.Rest, gram.Factor })
                    .Append(matrix).Append(bias)
                    .Select(tensor => tensor.DetachFromDisposeScope()));
                _layers.Add(new(merged, matrix, bias, grams, size));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Measures how far a network has moved; gradients pass.</summary>
    /// <param name="network">The network, with the same parameters.</param>
    /// <returns>A scalar, 0 where nothing has changed.</returns>
    public torch.Tensor Change(Network network)
    {
        using var scope = torch.NewDisposeScope();
        var changes = new List<torch.Tensor>();
        foreach (var layer in _layers)
        {
            var (matrix, bias) = layer.Merged.Of(network);
            (matrix, bias) = (matrix.sub(layer.Matrix), bias.sub(layer.Bias));
            foreach (var gram in layer.Grams)
            {
                changes.Add(Spread(matrix, gram)
                    .add(matrix.mv(gram.Mean).add(bias, Scalars.One).Squared().sum(), Scalars.One)
                    .div(Scalars.Keep(layer.Size)));
            }
        }
        return torch.stack(changes).mean().MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _owned.ForEach(tensor => tensor.Dispose());
        _owned.Clear();
    }

    /// <summary>The sum of the variances of all outputs.</summary>
    private static torch.Tensor Spread(torch.Tensor matrix, InputGram gram) => matrix.Squared().mv(gram.Rest).sum()
        .add(matrix.mm(gram.Factor).Squared().sum(), Scalars.One);

    private static InputGram Read(Network network, int place, Layer layer, long inputs, torch.Tensor like)
    {
        var gram = InputGrams.ReadKept(network.Metadata, place, layer.Weight, inputs)
            ?? throw new ArgumentException(
                $"The draft keeps no moments of '{layer.Weight}' in network {place}: merge with "
                + $"{nameof(MergeOptions)}.{nameof(MergeOptions.KeepMoments)}.");
        return new(gram.Mean.to(like), gram.Rest.to(like), gram.Factor.to(like));
    }

    /// <summary>A layer that is held.</summary>
    /// <param name="Merged">The layer.</param>
    /// <param name="Matrix">Its matrix before training.</param>
    /// <param name="Bias">Its bias before training.</param>
    /// <param name="Grams">The moments of its inputs at each place.</param>
    /// <param name="Size">The mean sum of the variances of its outputs there.</param>
    private sealed record HeldLayer(
        MergedLayer Merged, torch.Tensor Matrix, torch.Tensor Bias, ImmutableArray<InputGram> Grams, double Size);
}
