using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Measures mean and variance of each channel of a network's layers on images of its source, and makes them part of the
/// network: sites without labels compare their own images with them where the network's batch normalizations are folded
/// into its layers (<see cref="AdaptationMethod.Statistics"/>). The weights stay as they are.
/// </summary>
/// <remarks>
/// They are means and variances over all images. Images are kept in memory; a few hundred are enough. Create it with
/// <see cref="HdrqCatalog.RecordStatistics"/>.
/// </remarks>
public sealed class StatisticsRecordingEstimator : NetworkTrainingEstimator
{
    internal StatisticsRecordingEstimator(
        IHostEnvironment environment, string outputColumnName, string inputColumnName, RowOptions rows)
        : base(environment, "RecordStatistics", outputColumnName, inputColumnName, rows, readsLabels: false)
    {
    }

    /// <summary>
    /// Whether a network has layers whose statistics can be recorded: those with a bias that no batch normalization
    /// with statistics of its own follows; the last one, which gives the scores, does not count.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <returns>Whether there is one.</returns>
    public static bool CanRecord(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return OutputStatistics.Layers(network.Graph).Any();
    }

    private protected override Network Train(Start start)
    {
        var layers = OutputStatistics.Layers(start.Annotation.Network.Graph).Count();
        if (layers == 0)
        {
            throw new ArgumentException(
                "The network has no layers whose statistics could be recorded: its batch normalizations have "
                + "statistics of their own, or its layers have no bias.");
        }
        TrainingHost.CheckCrop(start.Annotation.Network, start.RowShape, Rows.CropSize);
        using var rows = start.Read(label: null, defaultRows: null);
        start.Channel.Info(MessageSensitivity.Schema,
            "Column '{0}': recording the statistics of {1} layers of the network of '{2}' on {3} images{4}.",
            start.OutputColumnName, layers, start.InputColumnName, rows.Images.shape[0], start.OfDomain);
        var network = start.Annotation.Network.To(start.Device);
        try
        {
            OutputStatistics.Collect(
                network, rows.Images, start.Annotation.Settings.BatchSize, Rows.CancellationToken);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }
}
