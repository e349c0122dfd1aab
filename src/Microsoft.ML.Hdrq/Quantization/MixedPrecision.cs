using System.Collections.Immutable;
using System.Globalization;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Passes;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>Chooses the bits of each layer's weight for a size, or for a loss of accuracy.</summary>
/// <param name="network">The network in full precision, on the device to compute on; not changed.</param>
/// <param name="images">The calibration images.</param>
/// <param name="options">How the network will be quantized; its source is on the network's device.</param>
/// <param name="basis">The basis for choosing bits.</param>
/// <param name="cancellationToken">Stops between two batches.</param>
internal sealed class MixedPrecision(
    Network network, torch.Tensor images, QuantizationOptions options, BitAllocationBasis basis,
    CancellationToken cancellationToken)
{
    /// <summary>The maximum number of images that measure the effect of a layer.</summary>
    private const int MaxImages = 64;

    /// <summary>Chooses exceptions with which the weights fit into a size.</summary>
    /// <param name="bytes">The size of all quantized weights, in bytes.</param>
    /// <exception cref="ArgumentException">They do not fit even with the minimum number of bits.</exception>
    public IReadOnlyList<LayerOverride> WithinSize(long bytes)
    {
        using var scope = torch.NewDisposeScope();
        using var folded = FoldBatchNormalization.Apply(network);
        var (free, fixedBits) = Layers(folded);
        try
        {
            return Overrides(Allocation(folded, free).Within(8 * bytes - fixedBits));
        }
        catch (ArgumentException exception)
        {
            throw new ArgumentException(
                $"TargetSize is {bytes} bytes. {exception.Message} "
                + $"Layers with fixed bits need another {(fixedBits + 7) / 8} bytes.",
                exception);
        }
    }

    /// <summary>
    /// Chooses the exceptions with the smallest size at which the network rounded to nearest, compared with the network
    /// in full precision, changes the predicted class of at most a given share of the calibration images. The accuracy
    /// on these images cannot fall by more than that share.
    /// </summary>
    /// <param name="drop">The share, from 0 to 1.</param>
    /// <exception cref="InvalidOperationException">
    /// The share is exceeded even with the maximum number of bits, or the network does not choose among classes.
    /// </exception>
    public IReadOnlyList<LayerOverride> WithinDrop(double drop)
    {
        using var scope = torch.NewDisposeScope();
        using var folded = FoldBatchNormalization.Apply(network);
        var (free, _) = Layers(folded);
        var allocation = Allocation(folded, free);
        var expected = Classes(folded);
        // More bits change fewer classes: a binary search finds the minimum number of steps.
        var (low, high) = (0, allocation.Steps.Length);
        var minChanged = Changed(high);
        if (minChanged > drop)
        {
            throw new InvalidOperationException(string.Create(
                CultureInfo.InvariantCulture,
                $"MaxAccuracyDrop is {drop}, and with weights of {QuantizationRange.MaxBits} bits the network rounded "
                + $"to nearest still changes the predicted class of {minChanged:P1} of the calibration images; "
                + $"raise ActivationBits or MaxAccuracyDrop."));
        }
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (Changed(middle) <= drop)
                high = middle;
            else
                low = middle + 1;
        }
        return Overrides(allocation.After(high));

        double Changed(int steps)
        {
            using var stepScope = torch.NewDisposeScope();
            var rounded = options with
            {
                Source = null,
                Overrides = Overrides(allocation.After(steps)),
                Moments = SentMoments.Nothing,
            };
            using var quantized = NetworkQuantizer.Apply(
                network, images, rounded, training: null, seed: 0, cancellationToken);
            return Classes(quantized).ne(expected).to(torch.ScalarType.Float32).mean().item<float>();
        }
    }

    /// <summary>
    /// Finds the layers whose bits are open, and the size in bits of the other quantized layers: the first and last
    /// layers, and those with exceptions.
    /// </summary>
    private (ImmutableArray<Layer> Free, long FixedBits) Layers(Network folded)
    {
        var few = Sites(folded, QuantizationRange.MinBits);
        var more = Sites(folded, QuantizationRange.MinBits + 1);
        var free = ImmutableArray.CreateBuilder<Layer>();
        var size = 0L;
        foreach (var layer in folded.Graph.Layers.All.DistinctBy(layer => layer.Weight))
        {
            if (!few.TryGetValue(layer.Weight, out var site))
                continue;
            if (more[layer.Weight].Bits != site.Bits)
                free.Add(layer);
            else
                size += site.Bits * layer.Count(folded);
        }
        return (free.ToImmutable(), size);
    }

    /// <summary>The places of the quantizers of weights, by the weights' names.</summary>
    private Dictionary<string, QuantizerSite> Sites(Network folded, int weightBits) => QuantizerSites
        .Find(
            folded, options.Placement, weightBits, options.ActivationBits, options.Overrides, options.ReduceRange)
        .Where(site => site.Layer is not null)
        .ToDictionary(site => site.Value, StringComparer.Ordinal);

    private BitAllocation Allocation(Network folded, ImmutableArray<Layer> free)
    {
        using var foldedSource = basis == BitAllocationBasis.SourceWeights && options.Source is { } source
            ? FoldBatchNormalization.Apply(source)
            : null;
        var origin = foldedSource ?? folded;
        var weights = origin.Graph.Layers.All.ToLookup(layer => layer.Name, StringComparer.Ordinal);
        if (free.FirstOrDefault(layer => !weights.Contains(layer.Name)) is { } missing)
            throw new ArgumentException($"The source network has no layer '{missing.Name}'.");
        var choices = Enumerable
            .Range(QuantizationRange.MinBits, QuantizationRange.MaxBits - QuantizationRange.MinBits + 1)
            .Select(bits => Sites(folded, bits))
            .ToList();
        var (reference, exact) = basis == BitAllocationBasis.Images
            ? (folded.Clone(), Scores(folded))
            : (null, null);
        using (reference)
        {
            // Exceptions cannot distinguish layers of one name, which therefore have the same bits.
            return new BitAllocation(
            [
                .. from layer in free
                   group layer by layer.Name into layers
                   select new BitAllocation.Layer(
                       layers.Key,
                       layers.Sum(layer => layer.Count(folded)),
                       [
                           .. choices.Select(sites =>
                               layers.Sum(layer => Error(layer, sites[layer.Weight].Range(isSigned: true)))),
                       ]),
            ]);
        }

        double Error(Layer layer, QuantizationRange range)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            using var noGradients = torch.no_grad();
            if (reference is null)
            {
                return weights[layer.Name].Sum(other =>
                {
                    var weight = origin.Parameters[other.Weight].detach();
                    var norm = Vectors.Norm([weight]);
                    var error = Vectors.Norm([Rounded(other, weight, range).sub(weight)]);
                    return norm > 0 ? error * error / (norm * norm) : 0;
                });
            }
            var original = folded.Parameters[layer.Weight].detach();
            reference.Parameters[layer.Weight].copy_(Rounded(layer, original, range));
            var change = Vectors.Norm([Scores(reference).sub(exact!)]);
            reference.Parameters[layer.Weight].copy_(original);
            return change * change;
        }
    }

    /// <summary>Rounds a weight to the grid that calibration would choose for it.</summary>
    private torch.Tensor Rounded(Layer layer, torch.Tensor weight, QuantizationRange range)
    {
        var axis = layer.OutputAxis;
        var moved = weight.transpose(0, axis);
        var rows = options.PerChannel ? moved.reshape(moved.shape[0], -1) : moved.reshape(1, -1);
        var observer = options.Calibration.CreateObserver();
        observer.Observe(rows, range);
        return NearestRounding.Instance
            .Apply(rows, observer.Scale().reshape(-1, 1), range)
            .reshape(moved.shape)
            .transpose(0, axis);
    }

    private torch.Tensor Scores(Network measured) =>
        Scores(measured, images.narrow(0, 0, Math.Min(MaxImages, images.shape[0])));

    private torch.Tensor Scores(Network measured, torch.Tensor some)
    {
        var scores = NetworkBatches.Scores(measured, some, options.Calibration.BatchSize, cancellationToken);
        FiniteCheck.Values(scores, "scores", some.shape[0], image => image);
        return scores;
    }

    private torch.Tensor Classes(Network measured)
    {
        var scores = Scores(measured, images);
        return scores.dim() > 1 && scores.shape[1] > 1
            ? scores.argmax(1)
            : throw new InvalidOperationException(
                "MaxAccuracyDrop needs a network that gives a score for each of several classes; "
                + "give TargetSize instead.");
    }

    /// <summary>
    /// Lists the exceptions for the layers with chosen bits, followed by the exceptions of the options. What the
    /// options say about the input and the range of such a layer still applies.
    /// </summary>
    private IReadOnlyList<LayerOverride> Overrides(Dictionary<string, int> bits) =>
    [
        .. from entry in bits
           let exception = options.Overrides.FirstOrDefault(exception => exception.Matches(entry.Key))
           select new LayerOverride(LayerOverride.Exactly(entry.Key))
           {
               WeightBits = entry.Value,
               ActivationBits = exception?.ActivationBits,
               ReduceRange = exception?.ReduceRange,
           },
        .. options.Overrides,
    ];
}
