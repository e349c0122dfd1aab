using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Passes;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Searches the networks' weights on a few rows. Starting from <see cref="MergeOptions.NetworkWeights"/>, it moves
/// weight from one network to another as long as that improves the criterion, in steps that are halved down to
/// <see cref="Resolution"/>. Every measurement merges the networks and scores all rows. Deterministic: the same seed
/// and rows give the same weights.
/// </summary>
public sealed record MergeWeightSearch
{
    /// <summary>
    /// The criterion by which weights are chosen; <see cref="MergeCriterion.Entropy"/>, which needs no labels, by
    /// default.
    /// </summary>
    public MergeCriterion Criterion { get; init; } = MergeCriterion.Entropy;

    /// <summary>
    /// The column of the classes, a key, matched to the networks' classes as <see cref="RowOptions.LabelColumnName"/>
    /// is; <c>Label</c> by default. Not read for <see cref="MergeCriterion.Entropy"/>.
    /// </summary>
    public string LabelColumnName { get; init; } = "Label";

    /// <summary>The maximum number of rows that are used, drawn at random, at least 1; 256 by default.</summary>
    public int MaxRows { get; init; } = 256;

    /// <summary>The number of rows that are scored at once, from 1 to 65,536; 32 by default.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>The smallest step, above 0, at most 0.2; 0.05 by default.</summary>
    public double Resolution { get; init; } = 0.05;

    /// <summary>The seed for drawing rows; null, the default, to derive it from the context's seed.</summary>
    public int? Seed { get; init; }

    /// <summary>Receives every measurement, on the thread that searches; null by default.</summary>
    public IProgress<MergeWeightProgress>? Progress { get; init; }

    /// <summary>Cancels the search between two measurements.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        if (!Enum.IsDefined(Criterion))
        {
            throw Errors.Option(nameof(Criterion), Criterion,
                $"{nameof(Criterion)} is {Criterion}, which is not a criterion.");
        }
        if (string.IsNullOrEmpty(LabelColumnName))
            throw Errors.Option(nameof(LabelColumnName), LabelColumnName, $"{nameof(LabelColumnName)} is missing.");
        TrainingHost.CheckRange(nameof(MaxRows), MaxRows, 1, int.MaxValue, "at least 1");
        OptionCheck.BatchSize(nameof(BatchSize), BatchSize);
        TrainingHost.CheckRange(nameof(Resolution), Resolution, 1e-6, 0.2, "above 0, at most 0.2");
    }

    /// <summary>Searches the weights.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="options">How they are merged.</param>
    /// <param name="data">The rows.</param>
    /// <param name="inputColumnName">The column that the networks read.</param>
    /// <param name="seed">The seed if the options give none.</param>
    /// <returns>The weights, in the order of the networks.</returns>
    internal double[] Find(
        IReadOnlyList<Network> networks, MergeOptions options, IDataView data, string inputColumnName, int seed)
    {
        var shape = InputColumn.RowShape(networks[0].Graph.Inputs[0], InputColumn.Find(data.Schema, inputColumnName));
        int? count = networks[0].Graph.Outputs[0].Shape is [_, > 0 and var classes] ? checked((int)classes) : null;
        var label = Criterion == MergeCriterion.Entropy
            ? null
            : new LabelColumn(
                LabelColumnName, MaskShape: null, Ignored: 0,
                LabelClasses.Match(
                    InputColumn.Find(data.Schema, LabelColumnName), ClassNameList.Common(networks), count));
        using var rows = DomainRows.Read(
            data, inputColumnName, shape, label, domainColumnName: null, domain: null,
            new RowSample(MaxRows, Seed ?? seed), CancellationToken);
        using var unlabelled = torch.zeros([rows.Images.shape[0]], torch.ScalarType.Int64);
        var evaluation = new Evaluation(rows.Images, rows.Labels ?? unlabelled, BatchSize);
        var start = options.NetworkWeights?.ToArray() ?? [.. Enumerable.Repeat(1.0 / networks.Count, networks.Count)];
        return WeightSearch.Minimize(start, Measure, Resolution, Progress, CancellationToken);

        double Measure(double[] weights)
        {
            using var probabilities = NetworkMerger.Merge(networks, options with { NetworkWeights = weights });
            using var merged = Logits.Copy(probabilities, probabilities.Device);
            if (Criterion == MergeCriterion.Entropy)
                return evaluation.Entropy(merged, CancellationToken);
            var (loss, accuracy) = evaluation.Measure(merged, rounding: null, watch: null, CancellationToken);
            return Criterion == MergeCriterion.Loss ? loss : 1 - accuracy;
        }
    }
}
