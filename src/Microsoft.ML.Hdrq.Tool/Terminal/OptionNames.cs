using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What the library's messages say of its options and columns, in the words of the command.</summary>
internal static partial class OptionNames
{
    private static readonly (string Library, string Command)[] _names =
    [
        ($"set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowDifferentSources)} to merge them anyway",
            "--allow-different-sources merges them anyway"),
        ($"set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowOtherImages)} to merge with them anyway",
            "--domains names them in the order of the files, hdrq measure takes those of one; --allow-other-images merges "
            + "with any"),
        ($"merge with {nameof(MergeOptions)}.{nameof(MergeOptions.KeepMoments)}", "hdrq merge --keep-moments keeps them"),
        ($"{nameof(SentMoments)}.{nameof(SentMoments.Nothing)}", "--send nothing"),
        ($"({nameof(SentMoments.MinImages)}, --min-images)", "(--min-images)"),
        ($"{nameof(ScoringOptions.ClassNames)} are not those that the network has",
            "the names of --classes are not those that the networks carry"),
        ("RecordStatistics, on images of the source, gives it some",
            "hdrq run --stage source, on images of the source, gives it some"),
        ("those that RecordStatistics has measured on images of the source",
            "those that hdrq run --stage source has measured on images of the source"),
        ($"{nameof(SentMoments)}.{nameof(SentMoments.MinImages)}", "--min-images"),
        ($"{nameof(SentMoments)}.{nameof(SentMoments.Noise)}", "--noise"),
        ($", or, where training starts from scratch, {nameof(AdaptationOptions.UpdateStatistics)} is missing", ""),
    ];

    /// <summary>A message as the command says it.</summary>
    public static string In(string message) => OwnNetwork().Replace(
        _names.Aggregate(message, (text, name) => text.Replace(name.Library, name.Command, StringComparison.Ordinal)),
        match => match.Groups["first"].Value + "he network");

    /// <summary>The network behind a column of the command's own pipelines.</summary>
    [GeneratedRegex("(?<first>[Tt])he network of '(?:Source|Adapted|Score)'")]
    private static partial Regex OwnNetwork();
}
