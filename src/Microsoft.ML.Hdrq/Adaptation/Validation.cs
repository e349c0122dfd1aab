using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Files;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>Tries a network on rows that it is not trained on, and keeps the best one.</summary>
internal sealed class Validation : IDisposable
{
    private readonly torch.Tensor _images;
    private readonly torch.Tensor _labels;
    private readonly AdaptationOptions _options;
    private readonly int _ignoredLabel;
    private double _bestLoss;

    private Validation(
        torch.Tensor images, torch.Tensor labels, AdaptationOptions options, int ignoredLabel, long[] trainingRows)
    {
        (_images, _labels, _options, _ignoredLabel) = (images, labels, options, ignoredLabel);
        TrainingRows = trainingRows;
    }

    /// <summary>The indices of the rows to train on.</summary>
    public long[] TrainingRows { get; }

    /// <summary>The best network so far; null before the first try.</summary>
    public Network? Best { get; private set; }

    /// <summary>The number of finished epochs of the best network.</summary>
    public int BestEpoch { get; private set; }

    /// <summary>The accuracy of the best network.</summary>
    public double BestAccuracy { get; private set; }

    /// <summary>The accuracy of the last try; null before the first one.</summary>
    public double? Accuracy { get; private set; }

    /// <summary>Draws the rows; null if none are asked for.</summary>
    /// <exception cref="InvalidOperationException">There is only one row.</exception>
    public static Validation? Draw(
        torch.Tensor images, torch.Tensor labels, AdaptationOptions options, int ignoredLabel, Random random)
    {
        if (options.ValidationFraction == 0)
            return null;
        var count = (int)images.shape[0];
        if (count < 2)
        {
            throw new InvalidOperationException(
                $"There is one row, and {nameof(AdaptationOptions.ValidationFraction)} is "
                + $"{options.ValidationFraction}; it takes one to train on and one to validate on.");
        }
        var rows = Enumerable.Range(0, count).Select(row => (long)row).ToArray();
        random.Shuffle(rows);
        var held = Math.Clamp((int)Math.Round(options.ValidationFraction * count), 1, count - 1);
        using var scope = torch.NewDisposeScope();
        var indices = torch.tensor(rows.AsSpan(0, held).ToArray(), device: images.device);
        return new Validation(
            images.index_select(0, indices).DetachFromDisposeScope(),
            labels.index_select(0, indices).to(torch.ScalarType.Int64).DetachFromDisposeScope(),
            options, ignoredLabel, rows[held..]);
    }

    /// <summary>Tries the network of an epoch.</summary>
    /// <returns>Whether training should go on.</returns>
    /// <exception cref="InvalidOperationException">The loss is not finite.</exception>
    public bool Try(Network network, int epoch, CancellationToken cancellationToken)
    {
        var (right, labelled, loss) = (0L, 0L, 0.0);
        foreach (var (start, size) in NetworkBatches.Of(network.Graph, _images.shape[0], _options.BatchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var noGradients = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            var targets = _labels.narrow(0, start, size).to(network.Device);
            var scores = network.Forward(_images.narrow(0, start, size));
            var isLabelled = targets.ne(Scalars.Keep(_ignoredLabel));
            right += scores.argmax(1).eq(targets).logical_and(isLabelled).sum().item<long>();
            labelled += isLabelled.sum().item<long>();
            loss += torch.nn.functional.cross_entropy(
                scores, targets, ignore_index: _ignoredLabel, reduction: torch.nn.Reduction.Sum).item<float>();
        }
        if (!double.IsFinite(loss))
        {
            throw new InvalidOperationException(
                $"The loss of the rows to validate on is {loss} after epoch {epoch}: {FineTuning.TooLarge(_options)}");
        }
        Accuracy = labelled == 0 ? 0 : (double)right / labelled;
        // Few rows give few different accuracies; the loss says which of equal ones is the better.
        if (Best is null || Accuracy > BestAccuracy || (Accuracy == BestAccuracy && loss < _bestLoss))
        {
            Best?.Dispose();
            Best = network.Clone();
            (BestEpoch, BestAccuracy, _bestLoss) = (epoch, Accuracy.Value, loss);
        }
        return epoch - BestEpoch < (_options.Patience ?? int.MaxValue);
    }

    /// <summary>Writes what was found out so far.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Accuracy!.Value);
        writer.Write(BestEpoch);
        writer.Write(BestAccuracy);
        writer.Write(_bestLoss);
        writer.WriteParameters(Best!, Best!.Parameters.Keys);
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <param name="reader">Where it is.</param>
    /// <param name="network">The network that is trained.</param>
    /// <returns>Takes it over.</returns>
    public Action Read(BinaryReader reader, Network network)
    {
        var (accuracy, bestEpoch) = (reader.ReadDouble(), reader.ReadInt32());
        var (bestAccuracy, bestLoss) = (reader.ReadDouble(), reader.ReadDouble());
        var copy = reader.ReadParameters(network, network.Parameters.Keys);
        return () =>
        {
            (Accuracy, BestEpoch, BestAccuracy, _bestLoss) = (accuracy, bestEpoch, bestAccuracy, bestLoss);
            Best?.Dispose();
            Best = network.Clone();
            copy(Best);
        };
    }

    public void Dispose()
    {
        _images.Dispose();
        _labels.Dispose();
        Best?.Dispose();
    }
}
