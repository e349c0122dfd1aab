using System.CommandLine;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>The options that say which network a command starts from, and with which head.</summary>
internal sealed class SourceArguments
{
    private readonly Option<string?> _network;
    private readonly Option<bool> _newHead =
        new("--new-head")
        {
            Arity = ArgumentArity.Zero,
            Description =
        "Cut the network of --network at its features, put a new head for the classes of the folder on, and train it."
        };

    private readonly Option<double?> _headRate =
        Arguments.OptionalNumber(
            "--head-rate", "Learning rate of a new head. Default: that of the rest.", double.Epsilon, 100);

    private readonly Option<string?> _features =
        new("--features")
        {
            Description = "Name of the value in the network that a new head reads. Default: what the network's last "
            + "layer reads, or what the network gives where it does not end in one.",
        };

    private readonly Option<string?> _normalization;
    private readonly Option<string?> _scores = CommonArguments.Scores();

    /// <param name="network">What the network is, in help.</param>
    /// <param name="normalization">The default normalization, in help.</param>
    /// <param name="isRequired">Whether the network must be given.</param>
    public SourceArguments(string network, string normalization, bool isRequired)
    {
        _network = new("--network")
        {
            Description = $"{network} Or {PretrainedNetwork.Word}: one trained on ImageNet, of a NuGet package, with a "
            + "new head.",
            Required = isRequired,
            CustomParser = result => PretrainedNetwork.IsMeant(result.Tokens[^1].Value) ? result.Tokens[^1].Value
                : Arguments.ParseFile(result, "--network", result.Tokens[^1].Value),
        };
        _normalization = CommonArguments.NormalizationOption(normalization);
    }

    /// <summary>The options, in the order of help.</summary>
    public IEnumerable<Option> Options => [_network, _newHead, _headRate, _features, _normalization, _scores];

    /// <summary>What was given for the network.</summary>
    public string? Network(ParseResult result) => result.GetValue(_network);

    /// <summary>Puts what was given into the options of a job.</summary>
    /// <exception cref="UsageException">
    /// What was given does not fit together, or the file of the network is not there.
    /// </exception>
    public JobOptions Into(JobOptions options, ParseResult result)
    {
        var (network, newHead, normalization) =
            (result.GetValue(_network), result.GetValue(_newHead), result.GetValue(_normalization));
        options = options with
        {
            HeadLearningRate = result.GetValue(_headRate),
            HeadFeatures = result.GetValue(_features),
        };
        if (options.HeadLearningRate is not null && !newHead && !PretrainedNetwork.IsMeant(network))
            throw new UsageException("--head-rate is for a new head; give --new-head too.");
        if (options.HeadFeatures is not null && !newHead)
            throw new UsageException("--features is for a new head on a file of your own; give --new-head too.");
        if (newHead && network is null)
            throw new UsageException("--new-head is for a network that --network gives.");
        var scores = result.GetValue(_scores);
        if (scores is not null && (network is null || PretrainedNetwork.IsMeant(network)))
            throw new UsageException($"{CommonArguments.ScoresName} is for a file that --network gives.");
        if (!PretrainedNetwork.IsMeant(network))
            return options with
            {
                Network = network,
                Scores = scores,
                NewHead = newHead,
                Normalization = CommonArguments.Normalization(
                    normalization ?? (network is null ? "imagenet" : "none")),
            };
        if (normalization is not null)
            throw new UsageException(
                $"--normalization {normalization}: --network {PretrainedNetwork.Word} has one of its own.");
        return options with
        {
            Network = PretrainedNetwork.Find(),
            IsPretrained = true,
            NewHead = true,
            Normalization = PretrainedNetwork.Normalization,
        };
    }
}
