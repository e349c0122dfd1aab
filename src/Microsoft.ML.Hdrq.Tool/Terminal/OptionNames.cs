using System.Text.RegularExpressions;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What the library's messages say of its options and columns, in the words of the command.</summary>
internal static partial class OptionNames
{
    private static readonly (string Library, string Command)[] _names =
    [
        ($"set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowDifferentSources)} to merge them anyway",
            "--allow-different-sources merges them anyway"),
        ($"set {nameof(MergeOptions)}.{nameof(MergeOptions.AllowOtherImages)} to merge with them anyway",
            "--domains names the places in the order of the files, and --allow-other-images merges in any other"),
        ($"With {nameof(SentMoments)}.{nameof(SentMoments.Nothing)}", "With --send nothing"),
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
