using System.CommandLine;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary>The command line of <c>hdrq</c>.</summary>
internal static class HdrqCommand
{
    /// <summary>Makes it.</summary>
    /// <param name="run">Given what a command line asks for.</param>
    public static RootCommand Create(Action<Work> run) => new(
        "Adapts one vision network to many places, quantizes each copy where its images are, and merges the copies "
            + "into one small network. "
        + "A site runs adapt and quantize, the centre merge; run does the whole job where all images are in one "
            + "folder. docs/guide/command.md has examples and exit codes.")
    {
        InfoCommand.Create(run),
        EvaluateCommand.Create(run),
        AdaptCommand.Create(run),
        QuantizeCommand.Create(run),
        MergeCommand.Create(run),
        MeasureCommand.Create(run),
        DistillCommand.Create(run),
        JobCommand.Run(run),
        JobCommand.Compare(run),
        JobCommand.Explain(run),
    };
}
