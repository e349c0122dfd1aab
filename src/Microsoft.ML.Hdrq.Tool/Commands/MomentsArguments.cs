using System.CommandLine;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>The options that say what a network tells of the images that it was made on.</summary>
/// <param name="hasNoise">Whether noise can be put on it.</param>
internal sealed class MomentsArguments(bool hasNoise)
{
    private readonly Option<string?> _send =
        Arguments.Choice(
            "--send",
            "What the file holds of the images, so that networks merge well: low-rank, means, variances and a few "
            + "directions of each layer's inputs; whole, means and covariances; or nothing. Default: low-rank, of too "
            + "few images nothing.", "nothing", "low-rank", "whole");

    private readonly Option<int?> _minImages =
        Arguments.OptionalInteger(
            "--min-images", "Of fewer images nothing is sent: it would tell too much of single ones. Default: 32.", 2,
            int.MaxValue);

    private readonly Option<double?> _noise =
        Arguments.OptionalNumber(
            "--noise", "Epsilon: noise on what is sent makes it differentially private for each image, at delta "
            + "0.00001; smaller is safer and merges worse. Give many --calibration-images. Default: no noise.", 0.01,
            100);

    /// <summary>The options, in the order of help.</summary>
    public IEnumerable<Option> Options => hasNoise ? [_send, _minImages, _noise] : [_send, _minImages];

    /// <summary>What was given; null where nothing was.</summary>
    /// <exception cref="UsageException">It does not fit together.</exception>
    public SentMoments? Value(ParseResult result)
    {
        if (Options.All(option => result.GetResult(option) is null or { Implicit: true }))
            return null;
        var moments = new SentMoments
        {
            Kind = result.GetValue(_send) switch
            {
                "nothing" => MomentsKind.Nothing,
                "low-rank" => MomentsKind.LowRank,
                "whole" => MomentsKind.Whole,
                _ => MomentsKind.Automatic,
            },
            Noise = hasNoise && result.GetValue(_noise) is { } epsilon ? new() { Epsilon = epsilon } : null,
        };
        if (moments.Kind == MomentsKind.Nothing)
        {
            if (moments.Noise is not null)
                throw new UsageException("--noise is for what is sent, and --send nothing sends nothing.");
            if (result.GetValue(_minImages) is not null)
                throw new UsageException("--min-images is for what is sent, and --send nothing sends nothing.");
        }
        return result.GetValue(_minImages) is { } least ? moments with { MinImages = least } : moments;
    }
}
