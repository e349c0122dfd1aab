namespace Microsoft.ML.Hdrq.Tool.Terminal;

/// <summary>What the command ends with. docs/guide/command.md says cause and remedy of each.</summary>
internal static class ExitCode
{
    /// <summary>All that was asked for is done.</summary>
    public const int Done = 0;

    /// <summary>A fault of this program.</summary>
    public const int Fault = 1;

    /// <summary>The command line is wrong; nothing was begun.</summary>
    public const int Usage = 2;

    /// <summary>A file or folder cannot be used: missing, damaged, of another shape, or not writable.</summary>
    public const int Input = 3;

    /// <summary>Memory or disk space ran out.</summary>
    public const int Resources = 4;

    /// <summary>Ended by Ctrl+C (SIGINT); what was finished is kept.</summary>
    public const int Interrupted = 130;

    /// <summary>Ended at once by a second signal.</summary>
    public const int Killed = 137;

    /// <summary>Ended by SIGTERM, as schedulers send it; what was finished is kept.</summary>
    public const int Terminated = 143;
}
